"""Which bookings fit, decided one after the other: the same for every store.

Uses are kept as sums over buckets of a second (for minutes) and of a minute (for hours and days). A bucket counts at
its last microsecond, so limits hold as exactly as over single uses and a wait is longer by less than the width.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.quota import Fits, Level, Limit, Limits, Never, Rate, WaitUntil, ready_at, take, verdict
from vera_orchestrator.reservation import Amounts, Measure, Use
from vera_orchestrator.windows import SECOND, Window, moment

FINE, COARSE = SECOND, 60 * SECOND
WIDTHS = (FINE, COARSE)
"""Of buckets, in microseconds."""

MEASURES = tuple(Measure)
"""In the order of `numbers`."""


def numbers(amounts: Amounts) -> tuple[int, int, int]:
    """Return what amounts add to sums, by measure; a cost that is not known adds nothing."""
    return amounts.requests, amounts.tokens, amounts.cost or 0


class Bucket(NamedTuple):
    """A stretch of time of one scope, in microseconds."""

    scope: str
    width: int
    start: int


class Span(NamedTuple):
    """The buckets of a scope that count in a window: those that start at `first` or later."""

    scope: str
    width: int
    first: int

    @classmethod
    def of(cls, scope: str, limit: Limit, now: int, slack: int) -> Span:
        """Return what a limit counts now."""
        width = FINE if limit.window is Window.MINUTE else COARSE
        # the bucket that holds the first microsecond is the first one that ends in the window
        return cls(scope, width, limit.counted_from(now, slack) // width * width)


def buckets_of(scopes: Iterable[str], at: int) -> list[Bucket]:
    """Return the buckets that a use is added to."""
    return [Bucket(scope, width, at // width * width) for scope in scopes for width in WIDTHS]


def use_of(bucket_start: int, width: int, requests: int, tokens: int, cost: int) -> Use:
    """Return the sums of a bucket as one use.

    What is subtracted from a bucket that was pruned and came back with a clock set back would make it negative.
    """
    amounts = Amounts(requests=max(0, requests), tokens=max(0, tokens), cost=max(0, cost))
    return Use(at=bucket_start + width - 1, amounts=amounts)


class Book(Protocol):
    """What a store knows, as long as nobody else writes."""

    def sums(self, spans: Collection[Span]) -> Mapping[Span, Amounts]:
        """Return what is used in spans; those without a use may be left out."""
        ...

    def uses(self, span: Span) -> Sequence[Use]:
        """Return the buckets of a span."""
        ...

    def levels(self, names: Collection[str]) -> Mapping[str, Level]:
        """Return the levels of rates; those that were never taken from are left out, as they are full."""
        ...


class Sheet:
    """What is used now and what is granted on top of it; `levels` are the rates' levels that have changed."""

    def __init__(self, book: Book, now: int, asked: Sequence[tuple[Booking, int]]) -> None:
        """Read at once what the bookings, each with its slack, need."""
        self._book = book
        self._now = now
        limited = {
            (*item, slack) for booking, slack in asked for item in booking.scopes.items() if not item[1].are_none
        }
        wanted = {
            (scope, limits, slack): {limit: Span.of(scope, limit, now, slack) for limit in limits.each()}
            for scope, limits, slack in limited
        }
        spans = {span for by_limit in wanted.values() for span in by_limit.values()}
        found: Mapping[Span, Amounts] = book.sums(spans) if spans else {}
        tallies = {span: _Tally(span.width, now, found.get(span, _NOTHING), self._uses_of(span)) for span in spans}
        self._counted = {
            key: {limit: tallies[span] for limit, span in by_limit.items()} for key, by_limit in wanted.items()
        }
        self._by_scope: dict[str, list[_Tally]] = {}
        for span, tally in tallies.items():
            self._by_scope.setdefault(span.scope, []).append(tally)
        names = {name for booking, _ in asked for name in booking.rates}
        self._levels = dict(book.levels(names)) if names else {}
        self.levels: dict[str, Level] = {}

    def _uses_of(self, span: Span) -> Callable[[], Sequence[Use]]:
        return lambda: self._book.uses(span)

    def decide(self, booking: Booking, slack: int) -> Fits | WaitUntil | Never:
        """Grant one of the bookings, or say until when it has to wait; of several waits the longest."""
        waits: list[WaitUntil] = []
        for scope, limits in booking.scopes.items():
            if limits.are_none:
                continue
            tallies = self._counted[scope, limits, slack]
            used = {limit: tally.used(limit.measure) for limit, tally in tallies.items()}
            lacks = verdict(scope, used, booking.amounts)
            if isinstance(lacks, Never):
                return lacks
            for lack in lacks:
                last = tallies[lack.limit].last_to_leave(lack.limit.measure, lack.excess)
                waits.append(lack.wait(last, slack))
        levels: dict[str, Level] = {}
        for name, rate in booking.rates.items():
            after = self._taken(name, rate)
            if isinstance(after, Never):
                return after
            if isinstance(after, WaitUntil):
                waits.append(after)
            else:
                levels[name] = after
        return max(waits, key=lambda wait: wait.time) if waits else self._granted(booking, levels)

    def _taken(self, name: str, rate: Rate) -> Level | WaitUntil | Never:
        now = self._now / SECOND
        level = self._levels.get(name, Level(tokens=rate.burst, at=now))
        after = take(rate, level, now)
        if after is not None:
            return after
        if rate.burst < 1 or rate.per_second <= 0:
            return Never(reason=f"{name}: a rate of {rate.per_second * 60:g} per minute gives no request")
        # a clock that was set back gives nothing before the time of the level; a float is off by less than 1 µs
        time = math.ceil(ready_at(rate, level, max(now, level.at)) * SECOND) + 1
        clock = moment(time).isoformat(sep=" ", timespec="milliseconds")
        reason = f"{name}: the rate of {rate.per_second * 60:g} per minute is used up; there is room at {clock}"
        return WaitUntil(time=time, reason=reason, scope=name, any_size=True)

    def _granted(self, booking: Booking, levels: Mapping[str, Level]) -> Fits:
        self._levels.update(levels)
        self.levels.update(levels)
        for scope in booking.scopes:
            for tally in self._by_scope.get(scope, ()):
                tally.add(booking.amounts)
        return Fits(at=self._now, amounts=booking.amounts, scopes=tuple(booking.scopes))


def counted(book: Book, now: int, scope: str, requests: int, per_minute: int) -> Fits | WaitUntil | Never:
    """Decide whether requests that are only counted fit into a limit for a minute."""
    amounts, scopes = Amounts(requests=requests), {scope: Limits(requests_per_minute=per_minute)}
    asked = Booking(key="", task=0, owner=0, worker_id="", provider="", model="", amounts=amounts, scopes=scopes)
    return Sheet(book, now, [(asked, 0)]).decide(asked, 0)


class _Tally:
    """What is used in one span; `now` is when more is granted."""

    def __init__(self, width: int, now: int, there: Amounts, uses: Callable[[], Sequence[Use]]) -> None:
        self._granted_at = now // width * width + width - 1
        self._there = dict(zip(MEASURES, numbers(there), strict=True))
        self._read = uses
        self._uses: list[Use] | None = None
        self._granted: list[Amounts] = []
        self._running: dict[Measure, tuple[list[int], list[int]]] = {}

    def used(self, measure: Measure) -> int:
        return self._there[measure]

    def add(self, amounts: Amounts) -> None:
        there = self._there
        there[Measure.REQUESTS] += amounts.requests
        there[Measure.TOKENS] += amounts.tokens
        there[Measure.COST] += amounts.cost or 0
        self._granted.append(amounts)
        self._running.clear()

    def last_to_leave(self, measure: Measure, missing: int) -> int:
        """Return the time of the bucket with which enough has left the window, the oldest leaving first."""
        if measure not in self._running:
            self._running[measure] = self._summed(measure)
        times, running = self._running[measure]
        # a bucket that `use_of` has raised to zero may leave the sum short of what is missing
        return times[min(bisect_left(running, missing), len(times) - 1)]

    def _summed(self, measure: Measure) -> tuple[list[int], list[int]]:
        if self._uses is None:
            self._uses = list(self._read())
        granted = [Use(at=self._granted_at, amounts=amounts) for amounts in self._granted]
        uses = sorted((*self._uses, *granted), key=lambda use: use.at)
        return [use.at for use in uses], list(accumulate(use.amounts.of(measure) for use in uses))


_NOTHING = Amounts(requests=0)
