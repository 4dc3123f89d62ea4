"""Slots: limits that hold for the whole journal. They may be in the path of every task, so they are compiled too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, bindparam, func, insert, select

from vera_orchestrator.journal import refusals, storable
from vera_orchestrator.journal.records import NO_NEWS, News
from vera_orchestrator.journal.schema import owners, slots
from vera_orchestrator.journal.statements import Statement


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What one call of `acquire` asks for."""

    owner: int
    key: int
    limits: Mapping[str, int]


class Acquire:
    """Takes one slot of each limit for a task, or none."""

    def __init__(self, dialect: Dialect) -> None:
        self._owner = Statement(select(owners.c.number).where(owners.c.number == bindparam("owner")), dialect)
        self._held = Statement(select(slots.c.name).where(slots.c.task == bindparam("task")), dialect)
        self._used = Statement(
            select(func.count()).select_from(slots).where(slots.c.name == bindparam("name")), dialect
        )
        self._insert = Statement(insert(slots), dialect)

    def subject(self, item: Request) -> None:
        """It depends on what other tasks gave back before, so it keeps its place."""
        return None

    def is_alone(self, item: Request) -> bool:
        """Between counting and taking nobody else may take one."""
        return True

    def news(self, item: Request) -> News:
        """There is nothing in it for others."""
        return NO_NEWS

    def many(self, connection: Connection, items: Sequence[Request]) -> None:
        """Each depends on the one before."""
        return None

    def one(self, connection: Connection, item: Request) -> Collection[str]:
        """Return the names that are full; raises LeaseLost if the owner was removed.

        What the task holds already is not taken again.
        """
        for name in item.limits:
            storable.check({"limit": name})
        if not self._owner.fetch(connection, {"owner": item.owner}):
            raise refusals.lease_lost(item.owner)
        held = {name for (name,) in self._held.fetch(connection, {"task": item.key})}
        wanted = [name for name in item.limits if name not in held]
        full = [name for name in wanted if self._count(connection, name) >= item.limits[name]]
        if wanted and not full:
            rows = [{"task": item.key, "name": name, "owner": item.owner} for name in wanted]
            self._insert.run(connection, rows)
        return full

    def _count(self, connection: Connection, name: str) -> int:
        ((used,),) = self._used.fetch(connection, {"name": name})
        return used
