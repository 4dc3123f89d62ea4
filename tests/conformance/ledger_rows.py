"""Bookings for tests of the ledger, and a clock that stands still until it is moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.ledger import Booking, Ledger
from vera_orchestrator.metering import Spent
from vera_orchestrator.money import NANOS
from vera_orchestrator.quota import Fits, Limits, WaitUntil
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.usage import Usage
from vera_orchestrator.windows import SECOND, micros, moment

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOON = micros(moment(0).replace(year=2026, month=6, day=1, hour=12))


@dataclass
class Clock:
    """Microseconds since 1970, which a test moves; called, it gives seconds."""

    now: int = NOON

    def __call__(self) -> float:
        return self.now / SECOND


MakeStore = Callable[[Clock], Journal]


@dataclass(frozen=True)
class Shop:
    """What a test of the ledger works with: a journal whose ledger runs by the clock, and an owner in it."""

    journal: Journal
    clock: Clock
    owner: int

    @property
    def ledger(self) -> Ledger:
        return self.journal.ledger

    def booking(self, key: str, limits: Limits | None = None, **changes: Any) -> Booking:
        """Return a booking of one request, 100 tokens and one cent in the scope `key`, with these limits."""
        base = Booking(
            key=key,
            task=7,
            owner=self.owner,
            worker_id="w",
            provider="openai",
            model="m",
            amounts=amounts(),
            scopes={"key": limits or Limits()},
        )
        return replace(base, **changes)

    async def fits(self, key: str, limits: Limits | None = None, **changes: Any) -> Fits:
        """Reserve what has to fit."""
        outcome = await self.ledger.reserve(self.booking(key, limits, **changes))
        assert isinstance(outcome, Fits), outcome
        return outcome

    async def waits(self, key: str, limits: Limits | None = None, *, slack: int = 0, **changes: Any) -> WaitUntil:
        """Reserve what has to wait."""
        outcome = await self.ledger.reserve(self.booking(key, limits, **changes), slack=slack)
        assert isinstance(outcome, WaitUntil), outcome
        return outcome

    async def used(self, scope: str = "key") -> Amounts | None:
        """Return what a scope has used within the last hours."""
        total = (await self.ledger.totals([scope], self.clock.now - 6 * HOUR)).get(scope)
        return None if total is None else total.amounts


def amounts(requests: int = 1, tokens: int = 100, cents: int | None = 1) -> Amounts:
    return Amounts(requests=requests, tokens=tokens, cost=None if cents is None else cents * NANOS // 100)


def spent(tokens: int = 40, cost: str | None = "0.004", *, estimated: bool = False) -> Spent:
    """Return a report of so many tokens, half of them read."""
    usage = Usage(input=tokens // 2, output=tokens - tokens // 2, estimated=estimated)
    return Spent(usage=usage, cost=None if cost is None else Decimal(cost))
