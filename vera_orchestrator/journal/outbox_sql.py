"""The outbox of the SQL journals, on the journal's own writer and readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, delete, func, insert, select, update

from vera_orchestrator.journal.access_sql import AccessParts
from vera_orchestrator.journal.outbox import Delivery, Outbox
from vera_orchestrator.journal.outbox_rows import delivery_row, delivery_values
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.schema import deliveries
from vera_orchestrator.journal.writer import Call

T = TypeVar("T")


class SQLOutbox(Outbox):
    """The port; `parts` raises JournalUnavailable while the journal is closed."""

    def __init__(self, parts: Callable[[], AccessParts]) -> None:
        self._parts = parts

    async def claim(self, *, now: float, until: float, limit: int) -> Sequence[Delivery]:
        """See the port."""
        return await self._write(partial(_claim, now=now, until=until, limit=limit))

    async def next_due(self) -> float | None:
        """See the port."""
        query = select(func.min(deliveries.c.due_at)).where(deliveries.c.due_at.is_not(None))
        return await self._read(lambda connection: connection.execute(query).scalar())

    async def delivered(self, delivery_id: str, at: float) -> None:
        """See the port."""
        await self._write(partial(_note, delivery_id=delivery_id, due_at=None, delivered_at=at, error=None))

    async def failed(self, delivery_id: str, *, error: str, due_at: float | None) -> None:
        """See the port."""
        await self._write(partial(_note, delivery_id=delivery_id, due_at=due_at, error=error))

    async def of(self, subject: int) -> Sequence[Delivery]:
        """See the port."""
        query = select(deliveries).where(deliveries.c.subject == subject)
        ordered = query.order_by(deliveries.c.created_at, deliveries.c.id)
        return await self._read(
            lambda connection: [delivery_row(row) for row in connection.execute(ordered).mappings()]
        )

    async def prune(self, *, before: float, limit: int) -> int:
        """See the port."""
        settled = (deliveries.c.due_at.is_(None), deliveries.c.created_at < before)
        query = select(deliveries.c.id).where(*settled).order_by(deliveries.c.created_at).limit(limit)
        ids = await self._read(lambda connection: connection.execute(query).scalars().all())
        return await self._write(partial(_delete, ids=ids)) if ids else 0

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._parts().reader.read(query)

    async def _write(self, change: Callable[[Connection], T]) -> T:
        parts = self._parts()
        return cast(T, await parts.writer.submit(parts.calls, Call(change)))


def add(connection: Connection, delivery: Delivery) -> None:
    """Add a message to the transaction of a connection."""
    connection.execute(insert(deliveries).values(delivery_values(delivery)))


def _claim(connection: Connection, now: float, until: float, limit: int) -> Sequence[Delivery]:
    query = select(deliveries).where(deliveries.c.due_at <= now).order_by(deliveries.c.due_at, deliveries.c.id)
    found = [delivery_row(row) for row in connection.execute(query.limit(limit)).mappings()]
    for one in found:
        connection.execute(update(deliveries).where(deliveries.c.id == one.id).values(due_at=until))
    return [replace(one, due_at=until) for one in found]


def _note(connection: Connection, delivery_id: str, **values: Any) -> None:
    change = update(deliveries).where(deliveries.c.id == delivery_id)
    connection.execute(change.values(attempts=deliveries.c.attempts + 1, **values))


def _delete(connection: Connection, ids: Sequence[str]) -> int:
    return sum(connection.execute(delete(deliveries).where(deliveries.c.id.in_(part))).rowcount for part in chunks(ids))
