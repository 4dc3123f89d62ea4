"""What is reserved before a call, and what replaces it after the call."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.reservation import (
    Amounts,
    Measure,
    Reservation,
    ReservationState,
    Use,
    bucketed,
    settle,
    settle_orphans,
)
from vera_orchestrator.usage import Usage

RESERVED, SETTLED, ESTIMATED = ReservationState
HELD = Reservation(at=1_000, amounts=Amounts(tokens=500, cost=9_000), key="task-1/1", scopes=("journal",), owner=1)

amounts = st.builds(
    Amounts, requests=st.integers(0, 3), tokens=st.integers(0, 9), cost=st.none() | st.integers(0, 10**9)
)


def test_a_call_uses_one_request_all_its_tokens_and_its_price() -> None:
    used = Amounts.of_call(Usage(input=5, cache_read=3, reasoning=2), Decimal("0.0000015"))
    assert used == Amounts(requests=1, tokens=10, cost=1_500)


def test_what_was_used_replaces_what_was_reserved_at_the_same_time() -> None:
    settled = settle(HELD, Amounts(tokens=120, cost=2_000))
    assert settled.state is SETTLED
    assert (settled.at, settled.amounts) == (HELD.at, Amounts(tokens=120, cost=2_000))


def test_usage_that_is_not_reported_is_not_zero() -> None:
    settled = settle(HELD, None)
    assert (settled.state, settled.amounts) == (ESTIMATED, HELD.amounts)


def test_a_cost_that_is_not_known_stays_as_reserved_and_is_marked() -> None:
    settled = settle(HELD, Amounts(tokens=120, cost=None))
    assert (settled.state, settled.amounts) == (ESTIMATED, Amounts(tokens=120, cost=9_000))


def test_a_call_that_never_left_gives_everything_back() -> None:
    assert settle(HELD, Amounts(requests=0)).amounts == Amounts(requests=0, tokens=0, cost=0)


def test_more_than_was_reserved_is_recorded_as_it_was() -> None:
    assert settle(HELD, Amounts(tokens=600, cost=9_500)).amounts.tokens == 600


def test_what_is_settled_stays_and_an_estimate_may_become_exact() -> None:
    exact = settle(settle(HELD, None), Amounts(tokens=120, cost=2_000))
    assert exact.state is SETTLED
    with pytest.raises(InvalidValue, match="settled already"):
        settle(exact, None)


def test_open_reservations_of_dead_owners_are_settled_as_estimates() -> None:
    living = Reservation(at=0, amounts=Amounts(), key="b", scopes=(), owner=2)
    done = settle(Reservation(at=0, amounts=Amounts(), key="c", scopes=(), owner=1), Amounts())
    assert settle_orphans([HELD, living, done], living={2}) == (settle(HELD, None),)


@given(amounts, st.none() | amounts, st.booleans())
def test_settling_never_frees_more_than_was_reserved(held: Amounts, actual: Amounts | None, estimated: bool) -> None:
    before = Reservation(at=0, amounts=held, key="a", scopes=())
    after = settle(before, actual, estimated=estimated)
    for measure in Measure:
        assert held.of(measure) - after.amounts.of(measure) <= held.of(measure)
        if actual is None:
            assert after.amounts.of(measure) == held.of(measure)
    assert after.at == before.at
    assert after.state is not RESERVED


@pytest.mark.parametrize("wrong", [{"tokens": -1}, {"requests": 0.5}, {"cost": 1.0}])
def test_amounts_are_whole_numbers(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidValue):
        Amounts(**wrong)


@given(st.lists(st.builds(Use, at=st.integers(0, 1_000), amounts=amounts)), st.integers(1, 300))
def test_buckets_hold_all_that_was_used_and_never_earlier(uses: list[Use], width: int) -> None:
    buckets = bucketed(uses, width)
    for measure in Measure:
        for since in range(0, 1_300, 50):
            exact = sum(use.amounts.of(measure) for use in uses if use.at >= since)
            coarse = sum(use.amounts.of(measure) for use in buckets if use.at >= since)
            late = sum(use.amounts.of(measure) for use in uses if use.at > since - width)
            assert exact <= coarse <= late
    assert [bucket.at for bucket in buckets] == sorted({bucket.at for bucket in buckets})
