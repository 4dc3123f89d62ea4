"""The outbox in a plain dictionary, for the in-memory journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vera_orchestrator.journal.outbox import Delivery, Outbox
from vera_orchestrator.journal.outbox_rows import delivery_values


class MemoryOutbox(Outbox):
    """The port for as long as the object lives."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._deliveries: dict[str, Delivery] = {}

    def add(self, delivery: Delivery) -> None:
        """Add a message, with the end that it tells."""
        delivery_values(delivery)
        self._deliveries[delivery.id] = delivery

    async def claim(self, *, now: float, until: float, limit: int) -> Sequence[Delivery]:
        """See the port."""
        self._check_open()
        due = sorted((one.due_at, one.id) for one in self._deliveries.values() if one.due_at is not None)
        found = [self._deliveries[delivery_id] for due_at, delivery_id in due if due_at <= now][: max(0, limit)]
        claimed = [replace(one, due_at=until) for one in found]
        self._deliveries |= {one.id: one for one in claimed}
        return claimed

    async def next_due(self) -> float | None:
        """See the port."""
        self._check_open()
        return min((one.due_at for one in self._deliveries.values() if one.due_at is not None), default=None)

    async def delivered(self, delivery_id: str, at: float) -> None:
        """See the port."""
        self._check_open()
        one = self._deliveries.get(delivery_id)
        if one is not None:
            arrived = replace(one, attempts=one.attempts + 1, due_at=None, delivered_at=at, error=None)
            self._deliveries[delivery_id] = arrived

    async def failed(self, delivery_id: str, *, error: str, due_at: float | None) -> None:
        """See the port."""
        self._check_open()
        one = self._deliveries.get(delivery_id)
        if one is not None:
            self._deliveries[delivery_id] = replace(one, attempts=one.attempts + 1, due_at=due_at, error=error)

    async def of(self, subject: int) -> Sequence[Delivery]:
        """See the port."""
        self._check_open()
        found = [one for one in self._deliveries.values() if one.subject == subject]
        return sorted(found, key=lambda one: (one.created_at, one.id))

    async def prune(self, *, before: float, limit: int) -> int:
        """See the port."""
        self._check_open()
        settled = [one for one in self._deliveries.values() if one.due_at is None and one.created_at < before]
        gone = sorted(settled, key=lambda one: one.created_at)[: max(0, limit)]
        for one in gone:
            del self._deliveries[one.id]
        return len(gone)
