"""What holds for every history: each decision is that of the pure rules over all uses.

Bookings come one by one or together, are settled or not, owners are removed, and the clock goes on or is set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.journal_rows import join
from tests.conformance.ledger_rows import HOUR, MINUTE, NOON, Clock, MakeStore
from vera_orchestrator import quota, reservation
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.booking import COARSE, FINE
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.metering import NOT_SENT, Spent
from vera_orchestrator.money import from_nanos
from vera_orchestrator.quota import Fits, Level, Limits, Never, Rate, Scope, WaitUntil
from vera_orchestrator.reservation import Amounts, Reservation, ReservationState, bucketed
from vera_orchestrator.usage import Usage
from vera_orchestrator.windows import SECOND

EVENING = NOON + 9 * HOUR + 59 * MINUTE + 30 * SECOND  # half a minute before midnight in Berlin
RATE = Rate(per_second=0.25, burst=4.0)
SCOPES = ("key", "provider")
some_limits = st.builds(
    Limits,
    requests_per_minute=st.none() | st.integers(1, 4),
    requests_per_hour=st.none() | st.integers(1, 6),
    requests_per_day=st.none() | st.integers(1, 9),
    tokens_per_minute=st.none() | st.integers(1, 60),
    tokens_per_day=st.none() | st.integers(1, 200),
    cost_per_day=st.none() | st.decimals("0.000000001", "0.0000001", places=9),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
)
some_amounts = st.builds(Amounts, tokens=st.integers(0, 40), cost=st.none() | st.integers(0, 60))
some_spent = st.one_of(
    st.sampled_from([None, NOT_SENT, Spent(usage=None)]),
    st.builds(
        Spent,
        usage=st.builds(Usage, input=st.integers(0, 50), estimated=st.booleans()),
        cost=st.none() | st.integers(0, 80).map(from_nanos),
        requests=st.integers(0, 2),
    ),
)


@dataclass(frozen=True)
class Offer:
    """Bookings at the same time."""

    calls: list[Amounts]


@dataclass(frozen=True)
class Report:
    """A report on one of all bookings."""

    choice: int
    spent: Spent | None


@dataclass(frozen=True)
class Crash:
    """The owner is removed."""


@dataclass(frozen=True)
class Jump:
    """The clock goes on, or is set back."""

    by: int


Step = Offer | Report | Crash | Jump
offers = st.builds(Offer, st.lists(some_amounts, min_size=1, max_size=4))
jumps = st.builds(Jump, st.integers(0, 20 * SECOND) | st.sampled_from([MINUTE, 7 * HOUR, -HOUR, -1]))
some_steps = st.lists(
    st.one_of(offers, offers, st.builds(Report, st.integers(0, 10**6), some_spent), st.builds(Crash), jumps),
    max_size=20,
)


@dataclass
class Model:
    """The pure rules over all that was ever reserved."""

    limits: dict[str, Limits]
    slack: int
    rows: dict[str, Reservation] = field(default_factory=dict[str, Reservation])
    level: Level | None = None

    def decide(self, booking: Booking, now: int) -> Fits | WaitUntil | Never:
        scopes = [part for name in booking.scopes for part in self._parts(name)]
        found = quota.reserve(scopes, now, booking.amounts, slack=self.slack)
        level = self.level or Level(tokens=RATE.burst, at=now / SECOND)
        after = quota.take(RATE, level, now / SECOND)
        if after is None and not isinstance(found, Never):
            ready = quota.ready_at(RATE, level, max(level.at, now / SECOND)) * SECOND
            if isinstance(found, Fits) or found.time < ready:
                return WaitUntil(time=round(ready), reason="rate")
        if isinstance(found, Fits):
            self.level = after
            fits = Fits(at=now, amounts=booking.amounts, scopes=tuple(booking.scopes))
            self.rows[booking.key] = fits.booked(key=booking.key, owner=booking.owner)
            return fits
        return found

    def _parts(self, name: str) -> list[Scope]:
        """Return a scope once for the limits of each width of buckets."""
        limits, uses = self.limits[name], [row for row in self.rows.values() if name in row.scopes]
        none = {"requests_per_minute": None, "tokens_per_minute": None}
        days = {f"{measure}_per_day": None for measure in ("requests", "tokens", "cost")}
        by_width = {FINE: replace(limits, requests_per_hour=None, **days), COARSE: replace(limits, **none)}
        return [Scope(name=name, limits=part, uses=bucketed(uses, width)) for width, part in by_width.items()]

    def settle(self, key: str, spent: Spent | None) -> bool:
        row = self.rows.get(key)
        if row is None or row.state is ReservationState.SETTLED:
            return False
        actual = None
        if spent is not None:
            tokens = row.amounts.tokens if spent.usage is None else spent.usage.tokens
            price = None if spent.cost is None else int(spent.cost * 10**9)
            actual = Amounts(requests=spent.requests, tokens=tokens, cost=price)
        guessed = spent is None or spent.usage is None or spent.usage.estimated
        self.rows[key] = reservation.settle(row, actual, estimated=guessed)
        return True

    def crash(self, owner: int) -> None:
        others = {row.owner for row in self.rows.values() if row.owner is not None} - {owner}
        self.rows |= {row.key: row for row in reservation.settle_orphans(self.rows.values(), others)}

    def used(self, name: str) -> tuple[int, int, int]:
        mine = [row.amounts for row in self.rows.values() if name in row.scopes]
        return sum(a.requests for a in mine), sum(a.tokens for a in mine), sum(a.cost or 0 for a in mine)


class HistoriesSuite:
    """Histories."""

    EXAMPLES = 20

    async def test_every_history_of_the_ledger_is_that_of_the_pure_rules(self, new_store: MakeStore) -> None:
        numbers = count()
        clock = Clock()
        journal = new_store(clock)
        # one store for all examples: names of scopes and keys keep them apart
        loop = asyncio.get_running_loop()
        await journal.open()

        @settings(max_examples=self.EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            limits=st.fixed_dictionaries(dict.fromkeys(SCOPES, some_limits)),
            slack=st.sampled_from([0, 3 * SECOND]),
            steps=some_steps,
        )
        def follow(limits: dict[str, Limits], slack: int, steps: Sequence[Step]) -> None:
            history = History(journal, clock, next(numbers), limits, slack)
            asyncio.run_coroutine_threadsafe(history.follow(steps), loop).result()

        await asyncio.to_thread(follow)
        await journal.close()


class History:
    """One history, in the journal and in the model."""

    def __init__(self, journal: Journal, clock: Clock, number: int, limits: dict[str, Limits], slack: int) -> None:
        self.journal = journal
        self.clock = clock
        self.name = f"h{number}"
        self.limits = {f"{self.name}:{scope}": limit for scope, limit in limits.items()}
        self.model = Model(self.limits, slack)
        self.keys = count()
        self.owner = 0

    async def follow(self, steps: Sequence[Step]) -> None:
        self.clock.now = EVENING
        self.owner = await join(self.journal)
        for step in steps:
            match step:
                case Offer():
                    await self.offer(step.calls)
                case Report():
                    await self.report(step)
                case Crash():
                    await self.journal.remove_owner(self.owner)
                    self.model.crash(self.owner)
                    self.owner = await join(self.journal)
                case Jump():
                    self.clock.now += step.by
        await self.compare()

    async def offer(self, offered: Sequence[Amounts]) -> None:
        bookings = [self.booking(amounts) for amounts in offered]
        ledger = self.journal.ledger
        outcomes = await asyncio.gather(*(ledger.reserve(one, slack=self.model.slack) for one in bookings))
        for booking, outcome in zip(bookings, outcomes, strict=True):
            expected = self.model.decide(booking, self.clock.now)
            assert type(outcome) is type(expected), (outcome, expected)
            if isinstance(outcome, WaitUntil) and isinstance(expected, WaitUntil):
                # times of a rate are floats: they are rounded up
                assert 0 <= outcome.time - expected.time <= (3 if expected.reason == "rate" else 0)
            elif isinstance(outcome, Fits):
                assert outcome == expected

    def booking(self, amounts: Amounts) -> Booking:
        return Booking(
            key=f"{self.name}-{next(self.keys)}",
            task=0,
            owner=self.owner,
            worker_id="w",
            provider="p",
            model="m",
            amounts=amounts,
            scopes=self.limits,
            rates={self.name: RATE},
        )

    async def report(self, report: Report) -> None:
        keys = list(self.model.rows)
        if keys:
            key = keys[report.choice % len(keys)]
            done = await self.journal.ledger.settle(key, report.spent)
            assert done == self.model.settle(key, report.spent)

    async def compare(self) -> None:
        totals = await self.journal.ledger.totals(self.limits, 0)
        for scope in self.limits:
            total = totals.get(scope)
            found = (total.amounts.requests, total.amounts.tokens, total.amounts.cost) if total else (0, 0, 0)
            assert found == self.model.used(scope)
