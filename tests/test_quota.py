"""A rate with a burst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.quota import TokenBucket


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
