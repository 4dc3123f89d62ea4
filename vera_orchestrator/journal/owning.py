"""Writes about owners, their workers, claims and slots: functions of a connection in a transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, tuple_, update

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import refusals, storable
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.records import TaskRow, WorkerRow
from vera_orchestrator.journal.rows import task_row, worker_values
from vera_orchestrator.journal.schema import (
    cancellations,
    is_reserved,
    owners,
    slots,
    tasks,
    unfinished,
    usage,
    workers,
)
from vera_orchestrator.reservation import ReservationState


def join(connection: Connection, facts: Mapping[str, Any], lease_until: ColumnElement[float]) -> int:
    """Add an owner and return its number."""
    storable.check(facts)
    values = {**facts, "lease_until": lease_until}
    return connection.execute(insert(owners).values(values).returning(owners.c.number)).scalar_one()


def renew(connection: Connection, owner: int, lease_until: ColumnElement[float]) -> bool:
    """Prolong a lease; False if there is no such owner."""
    change = update(owners).where(owners.c.number == owner).values(lease_until=lease_until)
    return connection.execute(change).rowcount == 1


def remove(connection: Connection, owner: int) -> int:
    """Remove an owner; return how many unfinished tasks it leaves. From now on its own writes come too late."""
    connection.execute(delete(owners).where(owners.c.number == owner))
    connection.execute(delete(workers).where(workers.c.owner == owner))
    connection.execute(delete(slots).where(slots.c.owner == owner))
    # what it had sent was used; as nobody will say how much, it stays at the most that it can be
    reserved = update(usage).where(is_reserved, usage.c.owner == owner)
    connection.execute(reserved.values(state=ReservationState.ESTIMATED.value))
    left = update(tasks).where(unfinished, tasks.c.owner == owner)
    return connection.execute(left.values(owner=None, fence=tasks.c.fence + 1)).rowcount


def set_workers(connection: Connection, owner: int, rows: Sequence[WorkerRow]) -> None:
    """Replace the workers of an owner; raises LeaseLost if it was removed."""
    values = [worker_values(row) for row in rows]
    for row in values:
        storable.check(row)
    check(connection, owner)
    connection.execute(delete(workers).where(workers.c.owner == owner))
    if values:
        connection.execute(insert(workers), values)


def check(connection: Connection, owner: int) -> None:
    """Raise LeaseLost if an owner was removed."""
    if connection.execute(select(owners.c.number).where(owners.c.number == owner)).first() is None:
        raise refusals.lease_lost(owner)


def claim(connection: Connection, owner: int, keys: Collection[int]) -> Sequence[TaskRow]:
    """Give rows without an owner to one; return them, by key."""
    check(connection, owner)
    found: list[TaskRow] = []
    for part in chunks(keys):
        # what another process is about to claim is that process's: there is nothing to wait for
        free = select(tasks.c.key).where(tasks.c.key.in_(part), unfinished, tasks.c.owner.is_(None))
        change = (
            update(tasks)
            .where(tasks.c.key.in_(free.with_for_update(skip_locked=True)), unfinished, tasks.c.owner.is_(None))
            .values(owner=owner, fence=tasks.c.fence + 1)
            .returning(*tasks.c)
        )
        found += [task_row(row) for row in connection.execute(change).mappings()]
    return sorted(found, key=lambda row: row.key)


def give_up(connection: Connection, rows: Mapping[int, int]) -> int:
    """Take tasks from their owner, with their slots; return how many. What names the old fence comes too late."""
    count = 0
    for part in chunks(sorted(rows)):
        named = [(key, rows[key]) for key in part]
        change = (
            update(tasks)
            .where(tuple_(tasks.c.key, tasks.c.fence).in_(named), unfinished)
            .values(owner=None, status=TaskStatus.QUEUED.value, fence=tasks.c.fence + 1)
            .returning(tasks.c.key)
        )
        given_up = connection.execute(change).scalars().all()
        connection.execute(delete(slots).where(slots.c.task.in_(given_up)))
        count += len(given_up)
    return count


def release(connection: Connection, key: int) -> None:
    """Give back the slots of a task."""
    connection.execute(delete(slots).where(slots.c.task == key))


def ask_to_cancel(connection: Connection, keys: Collection[int], reason: str) -> int:
    """Note requests to cancel unfinished tasks; return for how many there is one now."""
    storable.check({"reason": reason})
    count = 0
    for part in chunks(keys):
        going_on = set(connection.execute(select(tasks.c.key).where(tasks.c.key.in_(part), unfinished)).scalars())
        known = select(cancellations.c.task).where(cancellations.c.task.in_(going_on))
        fresh = going_on - set(connection.execute(known).scalars())
        if fresh:
            connection.execute(insert(cancellations), [{"task": key, "reason": reason} for key in sorted(fresh)])
        count += len(going_on)
    return count
