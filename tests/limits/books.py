"""What the ledger says, read from its tables."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine, func, select

from tests.support import soon
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.journal.schema import owners, usage
from vera_orchestrator.reservation import Amounts, ReservationState
from vera_orchestrator.runtime.metering import EVERYTHING


@dataclass(frozen=True, kw_only=True)
class Booked:
    """The sums over all attempts, and how many of them still hold a reservation, or are settled."""

    amounts: Amounts
    open: int
    settled: int


class Books:
    """The ledger of a PostgreSQL journal."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self._url = url

    def booked(self, *, of_the_dead: Collection[int] = ()) -> Booked:
        """Add up; what owners that were killed had open is not counted as such."""
        is_open = (usage.c.state == ReservationState.RESERVED) & usage.c.owner.not_in(of_the_dead)
        is_settled = usage.c.state == ReservationState.SETTLED
        sums = (func.sum(usage.c.requests), func.sum(usage.c.tokens), func.sum(usage.c.cost))
        query = select(
            *(func.coalesce(one, 0) for one in sums), *(func.count().filter(one) for one in (is_open, is_settled))
        )
        with self._engine.connect() as connection:
            row = connection.execute(query.select_from(usage)).one()
        requests, tokens, cost, still_open, settled = map(int, row)
        amounts = Amounts(requests=requests, tokens=tokens, cost=cost)
        return Booked(amounts=amounts, open=still_open, settled=settled)

    def busiest(self) -> tuple[int, int, int]:
        """Return who has most open reservations: the process's id, the owner's number, and how many there are."""
        number = func.count()
        query = (
            select(owners.c.pid, owners.c.number, number)
            .join(usage, usage.c.owner == owners.c.number)
            .where(usage.c.state == ReservationState.RESERVED)
            .group_by(owners.c.pid, owners.c.number)
            .order_by(number.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            pid, owner, found = connection.execute(query).one()
        return pid, owner, found

    def total(self) -> Total:
        """Return the sums that the ledger itself decides by."""
        return asyncio.run(soon(self._total()))

    async def _total(self) -> Total:
        journal = make_journal(self._url)
        await journal.open()
        try:
            return (await journal.ledger.totals([EVERYTHING], 0))[EVERYTHING]
        finally:
            await journal.close()


@contextmanager
def books_of(url: str) -> Generator[Books]:
    """Read the ledger of a journal."""
    engine = create_engine(url)
    try:
        yield Books(engine, url)
    finally:
        engine.dispose()
