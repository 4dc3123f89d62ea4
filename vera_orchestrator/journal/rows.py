"""Between the port's values and rows of the tables."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.constants import LARGE_RESULT
from vera_orchestrator.journal.records import BatchRow, OwnerRow, TaskRow, WorkerRow


def task_values(row: TaskRow) -> dict[str, Any]:
    """Return the columns of a task; a large result is not among them, see `large_result`.

    Members of enumerations become plain values, as not every driver takes them for what they are.
    """
    return {
        "key": row.key,
        "id": row.id,
        "batch": row.batch,
        "position": row.position,
        "type": str(row.type),
        "priority": int(row.priority),
        "status": row.status.value,
        "submitted_at": row.submitted_at,
        "started_at": row.started_at,
        "completed_at": row.completed_at,
        "due_at": row.due_at,
        "retry_count": row.retry_count,
        "owner": row.owner,
        "fence": row.fence,
        "worker_id": row.worker_id,
        "exhausted": row.exhausted,
        "idempotency_key": row.idempotency_key,
        "body_hash": row.body_hash,
        "store": row.store,
        "caller": row.caller,
        "error": row.error,
        "spec": row.spec,
        "result": None if is_large(row.result) else row.result,
    }


def is_large(result: str | None) -> bool:
    """Whether a result belongs into the table of large ones."""
    return result is not None and len(result) > LARGE_RESULT


def task_row(row: RowMapping) -> TaskRow:
    """Return the task of a row that was selected with all columns."""
    values: dict[str, Any] = {**row}
    values["status"] = TaskStatus(values["status"])
    return TaskRow(**values)


def has_tag(row: TaskRow, tag: str) -> bool:
    """Whether a task was submitted with a tag; one whose spec cannot be read was not."""
    try:
        spec: dict[str, Any] = json.loads(row.spec)
        return tag in spec.get("tags", ())
    except (ValueError, AttributeError, TypeError):
        return False


def batch_values(row: BatchRow) -> dict[str, Any]:
    """Return the columns of a batch."""
    return {
        "key": row.key,
        "id": row.id,
        "options": row.options,
        "submitted_at": row.submitted_at,
        "completed_at": row.completed_at,
        "status": row.status.value,
        "flow_run_id": row.flow_run_id,
    }


def batch_row(row: RowMapping) -> BatchRow:
    """Return the batch of a row."""
    values: dict[str, Any] = {**row}
    values["status"] = TaskStatus(values["status"])
    return BatchRow(**values)


def owner_row(row: RowMapping) -> OwnerRow:
    """Return the owner of a row."""
    return OwnerRow(**row)


def worker_values(row: WorkerRow) -> dict[str, Any]:
    """Return the columns of a worker."""
    return {
        "owner": row.owner,
        "worker_id": row.worker_id,
        "capabilities": json.dumps(sorted(row.capabilities)),
        "reachable": row.reachable,
    }


def worker_row(row: RowMapping) -> WorkerRow:
    """Return the worker of a row."""
    return WorkerRow(
        owner=row["owner"],
        worker_id=row["worker_id"],
        capabilities=frozenset[str](json.loads(row["capabilities"])),
        reachable=row["reachable"],
    )
