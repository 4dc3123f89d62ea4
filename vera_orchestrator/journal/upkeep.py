"""Rare writes: batches, retention and the requeueing of failed tasks. Functions of a connection in a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select, update

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.schema import batches, finished, is_exhausted, results, tasks


def end_batch(connection: Connection, key: int, status: TaskStatus, at: float) -> None:
    """Complete a batch."""
    connection.execute(update(batches).where(batches.c.key == key).values(status=status.value, completed_at=at))


def note_flow_run(connection: Connection, key: int, flow_run_id: str) -> None:
    """Note the flow run that shows a batch."""
    connection.execute(update(batches).where(batches.c.key == key).values(flow_run_id=flow_run_id))


def requeue_exhausted(connection: Connection, keys: Collection[int]) -> Sequence[int]:
    """Put failed tasks back to queued, the newest of an id first; return the keys of those that could be.

    A task that was not to be stored has nothing left that could run again.
    """
    other = tasks.alias()
    is_taken = select(other.c.key).where(other.c.id == tasks.c.id, other.c.completed_at.is_(None)).exists()
    fresh = {
        "status": TaskStatus.QUEUED.value,
        "retry_count": 0,
        "owner": None,
        "exhausted": False,
        "started_at": None,
        "completed_at": None,
        "due_at": None,
        "worker_id": None,
        "error": None,
        "result": None,
    }
    requeued: list[int] = []
    for key in sorted(set(keys), reverse=True):
        change = update(tasks).where(tasks.c.key == key, finished, is_exhausted, tasks.c.store.is_(True), ~is_taken)
        if connection.execute(change.values(fresh)).rowcount:
            connection.execute(delete(results).where(results.c.task == key))
            requeued.append(key)
    return sorted(requeued)


def delete_ended(connection: Connection, keys: Collection[int]) -> int:
    """Delete ended rows with their results, and the batches of which none is left; return how many rows."""
    count = 0
    emptied: set[int] = set()
    for part in chunks(keys):
        gone = delete(tasks).where(tasks.c.key.in_(part), finished).returning(tasks.c.key, tasks.c.batch)
        deleted = connection.execute(gone).all()
        count += len(deleted)
        connection.execute(delete(results).where(results.c.task.in_([row.key for row in deleted])))
        emptied |= {row.batch for row in deleted if row.batch is not None}
    left = select(tasks.c.key).where(tasks.c.batch == batches.c.key).exists()
    for part in chunks(emptied):
        connection.execute(delete(batches).where(batches.c.key.in_(part), ~left))
    return count
