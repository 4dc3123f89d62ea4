"""Submit: from a caller's task to a row that can be written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from types import NoneType
from typing import Any

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import InvalidBatch, InvalidPayload, InvalidValue, NotConfigured, UnknownDependency
from vera_orchestrator.graph import check_graph, check_unique, topological_order
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import TASK_TYPES, check_payload
from vera_orchestrator.runtime.codec import encode_spec, to_datetime, to_seconds
from vera_orchestrator.runtime.entry import Entry, Upstream, group_of
from vera_orchestrator.secrets import Sealer
from vera_orchestrator.webhooks import Webhook


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A task that may be accepted: its row, and the entry that will be in charge of it."""

    row: TaskRow
    entry: Entry


class Intake:
    """Checks tasks and drafts their rows. Nothing is accepted before the journal has the rows."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def draft(
        self,
        task: Task,
        *,
        key: int,
        owner: int,
        now: float,
        after: Sequence[Upstream],
        batch: int | None = None,
        batch_id: str | None = None,
        position: int = 0,
    ) -> Draft:
        """Return the draft of a checked task, which is left as it is.

        Raises InvalidPayload where something has no JSON form.
        """
        sealed: dict[str, Any] = self._sealer.seal(task.payload)
        webhook = self.sealed(task.webhook)
        spec = encode_spec(task, sealed, after=after, batch_id=batch_id, webhook=webhook and webhook.to_json())
        due_at = to_seconds(task.scheduled_at) if task.scheduled_at else None
        idempotency_key = task.idempotency_key
        row = TaskRow(
            key=key,
            id=task.id,
            batch=batch,
            position=position,
            type=str(task.type),
            priority=int(task.priority),
            spec=spec,
            submitted_at=now,
            due_at=due_at,
            owner=owner,
            idempotency_key=idempotency_key,
            body_hash=body_hash(task) if idempotency_key else None,
            store=task.store,
            caller=task.caller,
        )
        entry = Entry(
            key=key,
            fence=row.fence,
            owner=owner,
            task=task,
            group=group_of(task),
            payload=task.payload,
            entered=max(now, due_at or now),
            batch=batch,
            after=after,
        )
        return Draft(row=row, entry=entry)

    def check(self, task: Task) -> Task:
        """Raise as `check_task` does; what is sealed already, as by a task around this one, is looked at in clear."""
        return check_task(task, clear=self._in_clear)

    def _in_clear(self, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            clear: dict[str, Any] = self._sealer.unseal(payload)
        except NotConfigured:  # what looks like sealed elsewhere is a text like any other
            return payload
        return clear

    def sealed(self, webhook: Webhook | None) -> Webhook | None:
        """Return a webhook as it may be written down."""
        return None if webhook is None else Webhook(**self._sealer.seal(webhook.to_json()))

    @staticmethod
    def begin(task: Task, submitted_at: float, batch_id: str | None = None) -> None:
        """Give an accepted task the state in which every task begins, whatever it has been through before."""
        task.status, task.result, task.status_reason = TaskStatus.PENDING, None, None
        task.started_at = task.completed_at = task.worker_id = None
        task.retry_count, task.submitted_at, task.batch_id = 0, to_datetime(submitted_at), batch_id


def body_hash(task: Task) -> str:
    """Return what tells whether two tasks with one idempotency key are the same."""
    webhook = None if task.webhook is None else task.webhook.to_json()
    spec = encode_spec(task, task.payload, after=(), batch_id=None, webhook=webhook)
    return hashlib.sha256(f"{task.type}\n{int(task.priority)}\n{spec}".encode()).hexdigest()


BATCH_KEY = "batch:"


def is_batch_key(key: str | None) -> bool:
    """Whether an idempotency key is that of a whole batch."""
    return key is not None and key.startswith(BATCH_KEY)


def with_batch_key(drafts: Sequence[Draft], key: str, options: str) -> list[Draft]:
    """Return the drafts of a batch, the first with the idempotency key of the whole and the hash of all.

    Raises InvalidBatch if its task has a key of its own.
    """
    first, *others = drafts
    if first.row.idempotency_key is not None:
        raise InvalidBatch(
            "both the batch and its first task have one.", field="idempotency_key", remedy="Leave one of them out."
        )
    text = "\n".join([options, *(body_hash(draft.entry.task) for draft in drafts)])
    whole = hashlib.sha256(text.encode()).hexdigest()
    row = replace(first.row, idempotency_key=f"{BATCH_KEY}{key}", body_hash=whole)
    return [replace(first, row=row), *others]


def _as_it_is(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def check_task(task: object, clear: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is) -> Task:
    """Raise InvalidPayload or InvalidValue, naming the field, unless a task could be accepted.

    `clear` gives the payload as its worker will see it.
    """
    if not isinstance(task, Task):
        raise InvalidPayload(f"{type(task).__name__} is not a Task.", field="task", remedy="Give a Task.")
    if str(task.type) not in TASK_TYPES:
        raise InvalidValue(f"{task.type!r} is not a task type.", field="type")
    if not task.id or not isinstance(task.id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"{task.id!r} is not a text.", field="id", remedy="Give a non-empty text or none at all.")
    _check_kinds(task)
    for name in ("id", "concurrency_key", "fairness_key", "idempotency_key"):
        if len((getattr(task, name) or "").encode(errors="replace")) > LONGEST_KEY:
            raise InvalidValue("it is too long.", field=name, remedy=f"Give at most {LONGEST_KEY:,} bytes.")
    if task.max_retries < 0:
        raise InvalidValue(f"{task.max_retries} is negative.", field="max_retries", remedy="Give 0 or more.")
    for name in ("timeout_seconds", "max_wait_seconds"):
        value = getattr(task, name)
        if value is not None and not value > 0:
            raise InvalidValue(f"{value!r} is not positive.", field=name, remedy="Give seconds above 0, or None.")
    check_payload(str(task.type), clear(task.payload))
    return task


def _check_kinds(task: Task) -> None:
    """Raise InvalidValue for a field of the wrong kind: what is accepted must be readable ever after."""
    for name, kind, words in _KINDS:
        value = getattr(task, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidValue(f"{value!r} does not fit.", field=name, remedy=f"Give {words}.")
    for name in ("tags", "depends_on", "depends_on_any"):
        if not all(isinstance(one, str) for one in getattr(task, name)):
            raise InvalidValue("an entry is not a text.", field=name, remedy="Give a list of texts.")
    if not 0 <= task.retry_delay_seconds < math.inf:
        raise InvalidValue(
            f"{task.retry_delay_seconds!r} is no delay.", field="retry_delay_seconds", remedy="Give 0 or more seconds."
        )


LONGEST_KEY = 1_000
"""Bytes of a text by which things are found; databases have limits on that."""

_TEXT, _NUMBER, _TIME = "a text, or None", "a number, or None", "a datetime, or None"
_KINDS: tuple[tuple[str, Any, str], ...] = (
    ("metadata", dict, "an object"),
    ("tags", list, "a list"),
    ("depends_on", list, "a list"),
    ("depends_on_any", list, "a list"),
    ("max_retries", int, "a whole number"),
    ("retry_delay_seconds", (int, float), "a number of seconds"),
    ("timeout_seconds", (int, float, NoneType), _NUMBER),
    ("max_wait_seconds", (int, float, NoneType), _NUMBER),
    ("scheduled_at", (datetime, NoneType), _TIME),
    ("expires_at", (datetime, NoneType), _TIME),
    ("concurrency_key", (str, NoneType), _TEXT),
    ("fairness_key", (str, NoneType), _TEXT),
    ("idempotency_key", (str, NoneType), _TEXT),
    ("budget", (str, NoneType), _TEXT),
)


def batch_edges(tasks: Sequence[Task], *, in_order: bool) -> dict[str, dict[str, bool]]:
    """Return, by task id, what each task of a batch waits for (True: success, False: any outcome).

    With `in_order` each task also waits for the end of the one before it in dependency order; otherwise those that must
    not be parallelised do so among themselves. Raises DuplicateTaskId, UnknownDependency or CyclicDependency.
    """
    check_unique([task.id for task in tasks])
    edges = {
        task.id: {**dict.fromkeys(task.depends_on_any, False), **dict.fromkeys(task.depends_on, True)} for task in tasks
    }
    check_graph(edges)
    alone = {task.id for task in tasks if in_order or not task.can_parallelize}
    if len(alone) > 1:
        order = [task_id for task_id in topological_order(edges) if task_id in alone]
        for before, after in pairwise(order):
            edges[after].setdefault(before, False)
    return edges


def unknown_dependency(task: Task, missing: str) -> UnknownDependency:
    """Return the error for a dependency of a single task that names no task."""
    return UnknownDependency(
        f"task {task.id!r} depends on {missing!r}, which no task has as its id.",
        field="depends_on",
        remedy="Submit that task first, or submit both with submit_batch.",
    )
