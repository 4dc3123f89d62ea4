"""Rare writes: batches, retention and the requeueing of failed tasks. Functions of a connection in a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select, update

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import outbox_sql, reading, storable
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.schema import batches, cancellations, finished, results, tasks, unfinished


def end_batch(connection: Connection, key: int, status: TaskStatus, at: float, delivery: Delivery | None) -> bool:
    """Complete a batch; False if it is gone or goes on: its tasks may have been put back meanwhile."""
    change = update(batches).where(batches.c.key == key, ~reading.goes_on())
    change = change.values(status=status.value, completed_at=at)
    if delivery is not None and connection.execute(change.where(batches.c.completed_at.is_(None))).rowcount == 1:
        outbox_sql.add(connection, delivery)
        return True
    return connection.execute(change).rowcount == 1


def note_flow_run(connection: Connection, key: int, flow_run_id: str) -> None:
    """Note the flow run that shows a batch."""
    storable.check({"flow_run_id": flow_run_id})
    connection.execute(update(batches).where(batches.c.key == key).values(flow_run_id=flow_run_id))


def requeue_failed(connection: Connection, keys: Collection[int]) -> Sequence[int]:
    """Put failed and cancelled tasks back to queued, the newest of an id first; return the keys of those that could be.

    Their batches go on. A task that was not to be stored has nothing left that could run again.
    """
    other = tasks.alias()
    is_taken = select(other.c.key).where(other.c.id == tasks.c.id, other.c.completed_at.is_(None)).exists()
    fresh = {
        "status": TaskStatus.QUEUED.value,
        "retry_count": 0,
        "owner": None,
        "fence": tasks.c.fence + 1,
        "exhausted": False,
        "started_at": None,
        "completed_at": None,
        "due_at": None,
        "worker_id": None,
        "error": None,
        "result": None,
    }
    went_badly = tasks.c.status.in_([TaskStatus.FAILED.value, TaskStatus.CANCELLED.value])
    requeued: list[int] = []
    reopened: set[int] = set()
    for key in sorted(set(keys), reverse=True):
        change = update(tasks).where(tasks.c.key == key, finished, went_badly, tasks.c.store.is_(True), ~is_taken)
        for batch in connection.execute(change.values(fresh).returning(tasks.c.batch)).scalars().all():
            connection.execute(delete(results).where(results.c.task == key))
            connection.execute(delete(cancellations).where(cancellations.c.task == key))
            requeued.append(key)
            if batch is not None:
                reopened.add(batch)
    for part in chunks(reopened):
        again = {"status": TaskStatus.RUNNING.value, "completed_at": None}
        connection.execute(update(batches).where(batches.c.key.in_(part)).values(again))
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


def delete_heeded(connection: Connection) -> None:
    """Delete the requests to cancel what has ended."""
    going_on = select(tasks.c.key).where(tasks.c.key == cancellations.c.task, unfinished).exists()
    connection.execute(delete(cancellations).where(~going_on))
