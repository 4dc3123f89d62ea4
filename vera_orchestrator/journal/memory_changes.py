"""How the writes in the path of every task change its row in memory; each checks what is written first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import storable
from vera_orchestrator.journal.constants import FORGOTTEN_SPEC
from vera_orchestrator.journal.hot import ended_item
from vera_orchestrator.journal.records import Ending, TaskRow

Change = Callable[[TaskRow], TaskRow]


def begun(at: float, worker_id: str) -> Change:
    """Mark a task as running."""

    def change(row: TaskRow) -> TaskRow:
        storable.check({"worker_id": worker_id})
        return replace(row, status=TaskStatus.RUNNING, started_at=at, worker_id=worker_id)

    return change


def completed(ending: Ending) -> Change:
    """End a task; what the ending leaves at None of start and worker stays as it is."""

    def change(row: TaskRow) -> TaskRow:
        storable.check(ended_item(ending))
        return replace(
            row,
            status=ending.status,
            completed_at=ending.completed_at,
            started_at=row.started_at if ending.started_at is None else ending.started_at,
            retry_count=ending.retry_count,
            worker_id=row.worker_id if ending.worker_id is None else ending.worker_id,
            error=ending.error,
            exhausted=ending.exhausted,
            result=None if ending.forget else ending.result,
            spec=FORGOTTEN_SPEC if ending.forget else row.spec,
        )

    return change


def put_back(due_at: float | None, retry_count: int, error: str | None) -> Change:
    """Let a task wait for its next attempt."""

    def change(row: TaskRow) -> TaskRow:
        storable.check({"retry_count": retry_count, "error": error})
        return replace(row, status=TaskStatus.QUEUED, due_at=due_at, retry_count=retry_count, error=error)

    return change


def given_up(row: TaskRow) -> TaskRow:
    """Leave a task to whoever claims it."""
    return replace(row, owner=None, status=TaskStatus.QUEUED, fence=row.fence + 1)
