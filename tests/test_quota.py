"""Limits over windows: what fits goes, what does not fit waits for a known time, what can never fit fails at once."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import APIQuota
from vera_orchestrator.quota import (
    Fits,
    Level,
    Limits,
    Never,
    Rate,
    Scope,
    TokenBucket,
    WaitUntil,
    ready_at,
    reserve,
    take,
)
from vera_orchestrator.reservation import Amounts, Reservation, Use
from vera_orchestrator.windows import SECOND, micros, moment

NOON = micros(moment(0).replace(year=2026, month=11, day=22, hour=12))
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def used(at: int, *, requests: int = 1, tokens: int = 0, dollars: str = "0") -> Use:
    return Use(at=at, amounts=Amounts(requests=requests, tokens=tokens, cost=int(Decimal(dollars) * 10**9)))


def decide(
    limits: Limits, uses: Iterable[Use], amounts: Amounts | None = None, *, now: int = NOON
) -> Fits | WaitUntil | Never:
    return reserve([Scope(name="openai", limits=limits, uses=list(uses))], now, amounts or Amounts())


def test_without_limits_everything_fits() -> None:
    assert isinstance(decide(Limits(), [used(NOON)] * 1_000, Amounts(tokens=10**9, cost=None)), Fits)


def test_what_fits_becomes_a_reservation_of_all_its_scopes() -> None:
    scopes = [Scope(name="openai", limits=Limits(requests_per_day=1)), Scope(name="journal", limits=Limits())]
    fits = reserve(scopes, NOON, Amounts(tokens=7))
    assert isinstance(fits, Fits)
    assert fits.booked(key="t/1", owner=3) == Reservation(
        at=NOON, amounts=Amounts(tokens=7), scopes=("openai", "journal"), key="t/1", owner=3
    )


@pytest.mark.parametrize(
    ("limits", "until"),
    [
        (Limits(requests_per_minute=2), NOON - 30 * SECOND + MINUTE),
        (Limits(requests_per_hour=2), NOON - 30 * SECOND + HOUR),
        (Limits(requests_per_day=2), NOON + 12 * HOUR),
        (Limits(tokens_per_minute=25), NOON - 30 * SECOND + MINUTE),
        (Limits(tokens_per_day=25), NOON + 12 * HOUR),
        (Limits(cost_per_day=Decimal("0.25")), NOON + 12 * HOUR),
    ],
)
def test_what_does_not_fit_waits_until_enough_has_left_the_window(limits: Limits, until: int) -> None:
    uses = [used(NOON - at * SECOND, tokens=10, dollars="0.10") for at in (30, 20)]
    wait = decide(limits, uses, Amounts(tokens=10, cost=10**8))
    assert isinstance(wait, WaitUntil)
    assert wait.time == until


@pytest.mark.parametrize(("tokens", "last"), [(20, 30), (21, 20), (30, 20), (31, 10)])
def test_a_large_call_waits_until_several_have_left(tokens: int, last: int) -> None:
    uses = [used(NOON - at * SECOND, tokens=10) for at in (40, 10, 30, 20)]
    wait = decide(Limits(tokens_per_minute=40), uses, Amounts(tokens=tokens))
    assert isinstance(wait, WaitUntil)
    assert wait.time == NOON - last * SECOND + MINUTE


def test_a_wait_says_what_is_used_up_and_when_there_is_room() -> None:
    limits = Limits(cost_per_day=Decimal(1), zone="Europe/Berlin")
    wait = decide(limits, [used(NOON, dollars="0.95")], Amounts(cost=10**8))
    assert isinstance(wait, WaitUntil)
    assert wait.reason == (
        "openai: 0.95 USD of 1.00 USD per day used or reserved; there is room at 2026-11-23 00:00:00+01:00"
    )


def test_what_can_never_fit_fails_at_once_and_says_so() -> None:
    never = decide(Limits(tokens_per_minute=100), [], Amounts(tokens=101))
    assert never == Never(reason="openai: up to 101 needed, and the limit is 100 tokens per minute")


def test_a_call_as_large_as_the_limit_goes_when_nothing_else_is_there() -> None:
    assert isinstance(decide(Limits(tokens_per_minute=100), [], Amounts(tokens=100)), Fits)


def test_a_limit_of_zero_allows_nothing() -> None:
    assert isinstance(decide(Limits(requests_per_day=0), []), Never)


def test_an_unknown_price_cannot_be_held_against_a_limit_of_money() -> None:
    never = decide(Limits(cost_per_day=Decimal(1)), [], Amounts(cost=None))
    assert isinstance(never, Never)
    assert "price of this model is not known" in never.reason


def test_a_free_call_is_not_held_up_by_spent_money() -> None:
    assert isinstance(decide(Limits(cost_per_day=Decimal(1)), [used(NOON, dollars="2")], Amounts(cost=0)), Fits)


def test_a_limit_of_money_is_exact() -> None:
    limits = Limits.of_quota(APIQuota(cost_limit_per_day=0.3))
    uses = [used(NOON, dollars="0.1"), used(NOON, dollars="0.1")]
    assert isinstance(decide(limits, uses, Amounts(cost=100_000_000)), Fits)
    assert isinstance(decide(limits, uses, Amounts(cost=100_000_001)), WaitUntil)


def test_all_scopes_must_have_room_and_the_latest_time_counts() -> None:
    scopes = [
        Scope(name="key", limits=Limits(requests_per_minute=1), uses=[used(NOON - 10 * SECOND)]),
        Scope(name="journal", limits=Limits(requests_per_hour=1), uses=[used(NOON - 10 * SECOND)]),
        Scope(name="budget", limits=Limits(requests_per_day=9)),
    ]
    wait = reserve(scopes, NOON, Amounts())
    assert isinstance(wait, WaitUntil)
    assert wait.time == NOON - 10 * SECOND + HOUR
    assert wait.reason.startswith("journal: 1 of 1 requests per hour")


def test_one_scope_in_which_it_never_fits_is_enough_to_fail() -> None:
    scopes = [
        Scope(name="key", limits=Limits(requests_per_minute=1), uses=[used(NOON)]),
        Scope(name="budget", limits=Limits(tokens_per_day=5)),
    ]
    assert isinstance(reserve(scopes, NOON, Amounts(tokens=6)), Never)


def test_the_day_ends_at_the_zones_midnight_also_after_23_hours() -> None:
    midnight = micros(moment(0).replace(year=2026, month=3, day=28, hour=23))  # in Berlin
    limits = Limits(requests_per_day=1, zone="Europe/Berlin")
    assert isinstance(decide(limits, [used(midnight - 1)], now=midnight), Fits)
    wait = decide(limits, [used(midnight)], now=midnight + HOUR)
    assert isinstance(wait, WaitUntil)
    assert wait.time == midnight + 23 * HOUR


def test_a_clock_that_was_set_back_frees_nothing() -> None:
    assert isinstance(decide(Limits(requests_per_minute=1), [used(NOON + HOUR)]), WaitUntil)


@pytest.mark.parametrize(
    "wrong",
    [{"requests_per_minute": -1}, {"tokens_per_day": 1.5}, {"cost_per_day": Decimal("NaN")}, {"zone": "Mars"}],
)
def test_what_is_no_limit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Limits(**wrong)  # pyright: ignore[reportArgumentType]


# a rate with a burst


def test_a_buckets_level_can_be_kept_anywhere() -> None:
    rate = Rate.per_minute(60, burst=2)
    level = Level(tokens=2, at=100.0)
    once = take(rate, level, 100.0)
    assert once == Level(tokens=1, at=100.0)
    assert once is not None
    empty = take(rate, once, 100.0)
    assert empty is not None
    assert take(rate, empty, 100.5) is None
    assert ready_at(rate, empty, 100.5) == pytest.approx(101.0)
    assert take(rate, empty, 101.0) is not None


@pytest.mark.parametrize(("rate", "burst"), [(1, 10), (60, 10), (600, 100)])
def test_the_burst_is_a_sixth_of_the_minute_and_at_least_ten(rate: float, burst: int) -> None:
    bucket = TokenBucket(rate, now=0.0)
    assert [bucket.take(0.0) for _ in range(burst + 1)] == [True] * burst + [False]


def test_a_token_comes_back_after_its_share_of_the_minute() -> None:
    bucket = TokenBucket(60, now=100.0, burst=1)
    assert bucket.take(100.0)
    assert bucket.ready_at(100.25) == pytest.approx(101.0)
    assert not bucket.take(100.9)
    assert bucket.take(101.0)


def test_unused_tokens_do_not_pile_up_beyond_the_burst() -> None:
    bucket = TokenBucket(60, now=0.0, burst=2)
    assert [bucket.take(1_000.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_is_set_back_gives_and_takes_nothing() -> None:
    bucket = TokenBucket(60, now=100.0, burst=2)
    bucket.take(100.0)
    assert bucket.available(0.0) == 1
    bucket.take(0.0)
    assert bucket.available(100.0) == 0


@given(rate=st.floats(0.1, 10_000), steps=st.lists(st.floats(0, 30), max_size=60))
def test_never_more_is_taken_than_rate_and_burst_allow(rate: float, steps: list[float]) -> None:
    bucket = TokenBucket(rate, now=0.0)
    now, taken = 0.0, 0
    for step in steps:
        now += step
        for _ in range(20):
            taken += bucket.take(now)
        assert taken <= bucket.burst + now * rate / 60 + 0.01


@given(rate=st.floats(0.1, 10_000), start=st.floats(0, 1e6), drawn=st.integers(0, 30))
def test_a_token_is_there_at_the_time_that_was_promised(rate: float, start: float, drawn: int) -> None:
    bucket = TokenBucket(rate, now=start)
    for _ in range(drawn):
        bucket.take(start)
    assert bucket.take(bucket.ready_at(start))
