from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.engine.restarts import HEALTHY_SECONDS, MAX_DELAY_SECONDS, Restarts

codes = st.integers(-64, 255)
lives = st.floats(0, 10 * HEALTHY_SECONDS)


def after(*ends: tuple[int, float]) -> Restarts:
    restarts = Restarts()
    for code, lived in ends:
        restarts = restarts.after(code=code, lived=lived)
    return restarts


def test_the_first_end_is_followed_by_a_start_at_once() -> None:
    assert after((-9, 1)).delay == 0
    assert after((3, 1)).delay == 0


def test_a_server_that_never_ran_and_fails_again_is_given_up() -> None:
    assert after((3, 1), (3, 1)).delay is None


def test_a_killed_server_is_never_given_up() -> None:
    assert after(*[(-9, 1)] * 50).delay == MAX_DELAY_SECONDS


def test_a_server_that_once_ran_well_is_never_given_up() -> None:
    assert after((3, HEALTHY_SECONDS), *[(3, 1)] * 50).delay == MAX_DELAY_SECONDS


def test_pauses_grow_and_a_long_life_ends_them() -> None:
    ends = [(-9, 1.0)] * 5
    pauses = [after(*ends[:count]).delay for count in range(1, 6)]
    assert pauses == [0, 0.5, 1, 2, 4]
    assert after(*ends, (-9, HEALTHY_SECONDS)).delay == 0


@given(st.lists(st.tuples(codes, lives), max_size=3_000))
def test_every_pause_is_bounded(ends: list[tuple[int, float]]) -> None:
    delay = after(*ends).delay
    assert delay is None or 0 <= delay <= MAX_DELAY_SECONDS
