"""The ledger in dictionaries, for the in-memory journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from vera_orchestrator.journal import accounts, ledger_rows, storable
from vera_orchestrator.journal.booking import (
    COARSE,
    FINE,
    MEASURES,
    Sheet,
    Span,
    buckets_of,
    counted,
    numbers,
    use_of,
)
from vera_orchestrator.journal.ledger import Booking, Kept, Ledger, Total
from vera_orchestrator.journal.ledger_reading import FINE_KEPT
from vera_orchestrator.journal.ledger_rows import Entry
from vera_orchestrator.journal.memory_done import done
from vera_orchestrator.journal.spending import Spending, SpendingQuery, Standing
from vera_orchestrator.metering import Spent
from vera_orchestrator.quota import Fits, Level, Limits, Never, WaitUntil
from vera_orchestrator.reservation import Amounts, ReservationState, Use
from vera_orchestrator.windows import SECOND

NOTHING = Amounts(requests=0)


class _Sums:
    """The sums of one bucket, by measure."""

    def __init__(self) -> None:
        self.amounts = [0] * len(MEASURES)
        self.last_at = 0

    def add(self, amounts: Amounts, sign: int) -> None:
        for place, number in enumerate(numbers(amounts)):
            self.amounts[place] += sign * number


class _Book:
    """What is known; see `booking.Book`."""

    def __init__(self) -> None:
        self.buckets: defaultdict[tuple[str, int], dict[int, _Sums]] = defaultdict(dict)
        self.rates: dict[str, Level] = {}

    def sums(self, spans: Collection[Span]) -> Mapping[Span, Amounts]:
        return {span: self.total(span) for span in spans}

    def total(self, span: Span) -> Amounts:
        found = [sums.amounts for _, sums in self.counted(span)]
        return use_of(0, 1, *(sum(column) for column in zip(*found, strict=True))).amounts if found else NOTHING

    def uses(self, span: Span) -> Sequence[Use]:
        return [use_of(start, span.width, *sums.amounts) for start, sums in self.counted(span)]

    def counted(self, span: Span) -> list[tuple[int, _Sums]]:
        there = self.buckets.get((span.scope, span.width), {})
        return [(start, sums) for start, sums in list(there.items()) if start >= span.first]

    def levels(self, names: Collection[str]) -> Mapping[str, Level]:
        return {name: self.rates[name] for name in names if name in self.rates}

    def add(self, entry: Entry) -> None:
        for bucket in buckets_of(entry.scopes, entry.at):
            sums = self.buckets[bucket.scope, bucket.width].setdefault(bucket.start, _Sums())
            sums.add(entry.amounts, 1)
            sums.last_at = max(sums.last_at, entry.at)

    def exchange(self, before: Entry, after: Entry) -> None:
        for bucket in buckets_of(before.scopes, before.at):
            sums = self.buckets.get((bucket.scope, bucket.width), {}).get(bucket.start)
            if sums is not None:  # it is too old to count
                sums.add(before.amounts, -1)
                sums.add(after.amounts, 1)


class MemoryLedger(Ledger):
    """The port for as long as the object lives; `now` gives seconds since 1970."""

    def __init__(
        self, now: Callable[[], float], *, check_open: Callable[[], None], check_owner: Callable[[int], None]
    ) -> None:
        self._clock = now
        self._check_open = check_open
        self._check_owner = check_owner
        self._book = _Book()
        self._entries: dict[str, Entry] = {}
        self._answers: dict[str, tuple[float, str]] = {}

    def _now(self) -> int:
        return round(self._clock() * SECOND)

    async def reserve(self, booking: Booking, *, slack: int = 0) -> Fits | WaitUntil | Never:
        """See the port."""
        self._check_open()
        ledger_rows.check_booking(booking)
        self._check_owner(booking.owner)
        earlier = self._entries.get(booking.key)
        if earlier is not None:
            return Fits(at=earlier.at, amounts=booking.amounts, scopes=tuple(booking.scopes))
        now = self._now()
        sheet = Sheet(self._book, now, [(booking, slack)])
        outcome = sheet.decide(booking, slack)
        if isinstance(outcome, Fits):
            self._entries[booking.key] = ledger_rows.entry_of(booking, now)
            self._book.add(self._entries[booking.key])
            self._book.rates.update(sheet.levels)
        return outcome

    async def count(self, scope: str, requests: int, per_minute: int) -> Fits | WaitUntil | Never:
        """See the port."""
        self._check_open()
        storable.check_key("scope", scope)
        now = self._now()
        outcome = counted(self._book, now, scope, requests, per_minute)
        if isinstance(outcome, Fits):
            sums = self._book.buckets[scope, FINE].setdefault(now // FINE * FINE, _Sums())
            sums.add(outcome.amounts, 1)
            sums.last_at = max(sums.last_at, now)
        return outcome

    def settle(self, key: str, spent: Spent | None) -> Awaitable[bool]:
        """See the port."""
        return done(self._check_open, lambda: self._settle(key, spent))

    def _settle(self, key: str, spent: Spent | None) -> bool:
        storable.check_key("key", key)
        entry = self._entries.get(key)
        after = None if entry is None else ledger_rows.settled(entry, spent)
        if entry is None or after is None:
            return False
        self._entries[key] = after
        self._book.exchange(entry, after)
        return True

    def estimate_owner(self, owner: int) -> None:
        """Make estimates of what an owner that is removed has reserved."""
        for entry in list(self._entries.values()):
            if entry.owner == owner and entry.state is ReservationState.RESERVED:
                self._entries[entry.key] = replace(entry, state=ReservationState.ESTIMATED)

    async def totals(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """See the port."""
        return self.totals_now(scopes, since)

    def totals_now(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """See the port."""
        self._check_open()
        found: dict[str, Total] = {}
        for scope in scopes:
            span = Span(scope, COARSE, since // COARSE * COARSE)
            times = [sums.last_at for _, sums in self._book.counted(span)]
            if times:
                found[scope] = Total(amounts=self._book.total(span), last_at=max(times))
        return found

    async def kept(self, task: int) -> list[Kept]:
        """See the port."""
        self._check_open()
        mine = [entry for entry in self._entries.values() if entry.task == task]
        return sorted(mine, key=lambda entry: (entry.at, entry.key))

    async def spending(self, query: SpendingQuery) -> list[Spending]:
        """See the port."""
        self._check_open()
        return accounts.merged(
            (
                (accounts.spending_of(entry, place, query), entry.tags)
                for place, (since, until) in enumerate(query.periods)
                for entry in self._entries.values()
                if since <= entry.at < until and query.caller in (None, entry.caller)
            ),
            query,
        )

    async def standing(self, asked: Sequence[tuple[str, Limits]]) -> list[Standing]:
        """See the port."""
        self._check_open()
        return accounts.standings(self._book, self._now(), asked)

    async def answer(self, key: str, *, since: float) -> str | None:
        """See the port."""
        self._check_open()
        at, text = self._answers.get(key, (since, None))
        return text if at >= since else None

    async def keep_answer(self, key: str, text: str, *, at: float) -> None:
        """See the port."""
        self._check_open()
        storable.check_key("key", key)
        storable.check({"result": text})
        self._answers[key] = (at, text)

    async def prune(self, *, before: int, answers_before: float, limit: int) -> int:
        """See the port."""
        self._check_open()
        by_time = sorted(self._entries.values(), key=lambda entry: entry.at)
        open_state = ReservationState.RESERVED
        uses = [entry.key for entry in by_time if entry.at < before and entry.state is not open_state][:limit]
        for key in uses:
            del self._entries[key]
        ends = {FINE: max(before, self._now() - FINE_KEPT), COARSE: before}
        old = [
            (place, start)
            for place, there in self._book.buckets.items()
            for start in there
            if start <= ends[place[1]] - place[1]
        ][:limit]
        for place, start in old:
            del self._book.buckets[place][start]
        answers = [key for key, (at, _) in self._answers.items() if at < answers_before][:limit]
        for key in answers:
            del self._answers[key]
        return len(uses) + len(old) + len(answers)
