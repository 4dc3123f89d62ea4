"""Bookings that are decided together see those that were granted before them, which no table holds yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tests.conformance.ledger_rows import MINUTE, NOON, amounts
from vera_orchestrator.journal.booking import Sheet, Span, use_of
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.quota import Fits, Level, Limits, Never, Rate, WaitUntil
from vera_orchestrator.reservation import Amounts, Use
from vera_orchestrator.windows import SECOND

Outcome = Fits | WaitUntil | Never


class OneBucket:
    """A book with a single bucket of a second, that has used some tokens; its reads are counted."""

    def __init__(self, start: int = NOON, tokens: int = 0) -> None:
        self.use = use_of(start, SECOND, 1, tokens, 0)
        self.reads = 0

    def sums(self, spans: Collection[Span]) -> Mapping[Span, Amounts]:
        return dict.fromkeys(spans, self.use.amounts)

    def uses(self, span: Span) -> Sequence[Use]:
        self.reads += 1
        return [self.use]

    def levels(self, names: Collection[str]) -> Mapping[str, Level]:
        return {}


def booking(tokens: int, limits: Limits, rates: Mapping[str, Rate] | None = None) -> Booking:
    return Booking(
        key="a",
        task=1,
        owner=1,
        worker_id="w",
        provider="p",
        model="m",
        amounts=amounts(tokens=tokens),
        scopes={"key": limits},
        rates=rates or {},
    )


def decided(book: OneBucket, *bookings: Booking) -> list[Outcome]:
    sheet = Sheet(book, NOON, [(one, 0) for one in bookings])
    return [sheet.decide(one, 0) for one in bookings]


def times(outcomes: Sequence[Outcome]) -> list[int | None]:
    """Return when each can go; None for what fits."""
    return [outcome.time if isinstance(outcome, WaitUntil) else None for outcome in outcomes]


def test_what_was_granted_just_now_is_waited_for() -> None:
    limits = Limits(tokens_per_minute=100)

    outcomes = decided(OneBucket(NOON - 50 * SECOND), booking(60, limits), booking(60, limits))

    assert times(outcomes) == [None, NOON + MINUTE + SECOND - 1]


def test_what_was_granted_between_two_waits_leaves_in_its_turn() -> None:
    limits = Limits(tokens_per_minute=300)
    later = NOON + 30 * SECOND  # a bucket of a time to come: the clock was set back
    asked = [booking(300, limits), booking(100, limits), booking(200, limits)]

    outcomes = decided(OneBucket(later, tokens=100), *asked)

    assert times(outcomes) == [later + MINUTE + SECOND - 1, None, NOON + MINUTE + SECOND - 1]


def test_tokens_of_a_rate_are_taken_by_each() -> None:
    rates = {"rate": Rate(per_second=1.0, burst=2.0)}

    outcomes = decided(OneBucket(), *(booking(0, Limits(), rates) for _ in range(3)))

    assert [isinstance(outcome, Fits) for outcome in outcomes] == [True, True, False]


def test_buckets_are_read_once_for_all_that_wait() -> None:
    limits = Limits(tokens_per_minute=100)
    book = OneBucket(tokens=100)

    outcomes = decided(book, *(booking(number, limits) for number in range(1, 20)))

    assert set(times(outcomes)) == {NOON + MINUTE + SECOND - 1}
    assert book.reads == 1
