"""Tasks and results, to and from the rows of the journal."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.errors import InvalidPayload, InvalidValue, ResultNotSerializable, ResultTooLarge
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.models import NO_REQUIREMENTS, Task, TaskPriority, TaskRequirements, TaskResult, task_type
from vera_orchestrator.runtime.entry import Upstream
from vera_orchestrator.webhooks import Webhook

# what a row's spec holds beside its payload: only what differs from the default
_PLAIN_FIELDS: dict[str, Any] = {
    "max_retries": 3,
    "retry_delay_seconds": 1.0,
    "metadata": {},
    "tags": [],
    "can_parallelize": True,
    "depends_on": [],
    "depends_on_any": [],
    "timeout_seconds": None,
    "max_wait_seconds": None,
    "fairness_key": None,
    "concurrency_key": None,
    "budget": None,
    "idempotency_key": None,
}
_TIME_FIELDS = ("scheduled_at", "expires_at")
_DIAGNOSIS_CHARACTERS = 2_000
logger = logging.getLogger(__name__)


def encode_spec(
    task: Task,
    payload: dict[str, Any],
    *,
    after: Sequence[Upstream],
    batch_id: str | None,
    webhook: Mapping[str, Any] | None = None,
) -> str:
    """Return the JSON text of what a task was submitted with; raises InvalidPayload if something has no JSON form."""
    spec: dict[str, Any] = {"payload": payload}
    if webhook is not None:
        spec["webhook"] = webhook
    for name, default in _PLAIN_FIELDS.items():
        value = getattr(task, name)
        if value != default:
            spec[name] = value
    for name in _TIME_FIELDS:
        if (moment := getattr(task, name)) is not None:
            spec[name] = to_seconds(moment)
    if task.requirements is not NO_REQUIREMENTS:
        spec["requirements"] = task.requirements
    if after:
        spec["after"] = [tuple(upstream) for upstream in after]
    if batch_id is not None:
        spec["batch_id"] = batch_id
    try:
        return orjson.dumps(spec).decode()
    except TypeError as error:
        raise InvalidPayload(
            f"{error}.", field="payload", remedy="Payload, metadata and tags must be JSON values with text keys."
        ) from None


def decode_task(row: TaskRow) -> tuple[Task, list[Upstream]]:
    """Return the task of a row, its payload still sealed, and what it waits for.

    The row may be of a type that this process does not know: another one may have registered it.
    """
    spec: dict[str, Any] = orjson.loads(row.spec)
    after = [Upstream(*item) for item in spec.pop("after", ())]
    for name in _TIME_FIELDS:
        if name in spec:
            spec[name] = to_datetime(spec[name])
    if "requirements" in spec:
        spec["requirements"] = TaskRequirements(**spec["requirements"])
    if "webhook" in spec:
        spec["webhook"] = Webhook(**spec["webhook"])
    task = Task(
        id=row.id,
        priority=TaskPriority(row.priority),
        status=row.status,
        submitted_at=to_datetime(row.submitted_at),
        started_at=to_datetime(row.started_at),
        completed_at=to_datetime(row.completed_at),
        retry_count=row.retry_count,
        store=row.store,
        caller=row.caller,
        worker_id=row.worker_id,
        result=decode_result(row.result),
        **spec,
    )
    task.type = _type_of(row)
    if task.result is None and row.completed_at is not None:
        task.result = _plain_result(row)
    task.status_reason = row.error
    return task, after


def legible_task(row: TaskRow) -> Task:
    """Return the task of a row as far as it can be read: of a row with a broken spec or result only the columns."""
    try:
        return decode_task(row)[0]
    except Exception as error:  # whatever is wrong with one row must not hide the others
        logger.debug("row %d of task %s cannot be decoded", row.key, row.id, exc_info=error)
        task = Task(id=row.id, status=row.status, retry_count=row.retry_count, store=row.store, caller=row.caller)
        task.type, task.worker_id = _type_of(row), row.worker_id
        task.submitted_at, task.started_at = to_datetime(row.submitted_at), to_datetime(row.started_at)
        task.completed_at = to_datetime(row.completed_at)
        task.result = _plain_result(row) if row.completed_at is not None else None
        task.status_reason = row.error or f"it cannot be read: {type(error).__name__}: {error}"
        return task


def _type_of(row: TaskRow) -> TaskType | str:
    try:
        return task_type(row.type)
    except InvalidValue:
        return row.type


def _plain_result(row: TaskRow) -> TaskResult:
    return TaskResult(success=row.status is TaskStatus.COMPLETED, error=row.error, worker_id=row.worker_id)


def encode_result(result: TaskResult, limit: int) -> str:
    """Return a result's JSON text.

    Raises ResultNotSerializable, or ResultTooLarge above `limit` bytes, with head and tail of the text in its message.
    """
    try:
        text = orjson.dumps(
            {
                "success": result.success,
                "data": result.data,
                "error": result.error,
                "metrics": result.metrics,
                "execution_time_ms": result.execution_time_ms,
                "worker_id": result.worker_id,
                "timestamp": result.timestamp,
                "error_type": result.error_type,
            },
            option=orjson.OPT_NON_STR_KEYS,
        )
    except TypeError as error:
        raise ResultNotSerializable(
            f"the result has no JSON form: {error}.", remedy="Return numbers, text, lists, dicts, booleans or None."
        ) from None
    if len(text) > limit:
        head, tail = text[:_DIAGNOSIS_CHARACTERS], text[-_DIAGNOSIS_CHARACTERS:]
        raise ResultTooLarge(
            f"the result has {len(text):,} bytes, the limit is {limit:,}.",
            remedy="Return less, write it to a file, or raise max_result_bytes (VERA_MAX_RESULT_BYTES). "
            f"It begins {head.decode(errors='replace')!r} and ends {tail.decode(errors='replace')!r}.",
        )
    return text.decode()


def decode_result(text: str | None) -> TaskResult | None:
    """Return the result of its JSON text."""
    if text is None:
        return None
    fields: dict[str, Any] = orjson.loads(text)
    fields["timestamp"] = datetime.fromisoformat(fields["timestamp"])
    return TaskResult(**fields)


def to_seconds(moment: datetime) -> float:
    """Return seconds since the epoch; a time without a zone is taken as UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def to_datetime(seconds: float | None) -> datetime | None:
    """Return an aware time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
