from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.fairness import Callers


def test_callers_go_in_the_order_in_which_they_came() -> None:
    callers = Callers()
    first, second = callers.hold("a"), callers.hold("b")
    assert first.turn < second.turn


def test_whoever_is_served_goes_behind_all_others() -> None:
    callers = Callers()
    first, second = callers.hold("a"), callers.hold("b")
    callers.serve(first)
    assert second.turn < first.turn
    callers.serve(second)
    assert first.turn < second.turn


def test_a_new_caller_goes_behind_all_others() -> None:
    callers = Callers()
    old = callers.hold("old")
    callers.serve(old)
    assert callers.hold("new").turn > old.turn


def test_a_caller_that_comes_back_is_new() -> None:
    callers = Callers()
    caller = callers.hold("a")
    other = callers.hold("b")
    callers.let_go(caller)
    assert callers.hold("a").turn > other.turn


def test_a_caller_without_anything_waiting_is_not_remembered() -> None:
    callers = Callers()
    for number in range(100):
        caller = callers.hold(str(number))
        callers.serve(caller)
        callers.let_go(caller)
    assert len(callers) == 0


def test_a_caller_held_twice_is_one_caller() -> None:
    callers = Callers()
    first, second = callers.hold(None), callers.hold(None)
    assert first is second
    callers.let_go(first)
    assert callers.hold(None) is second


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=50))
def test_no_two_turns_are_alike_and_the_newest_is_the_last(steps: list[tuple[str, bool]]) -> None:
    callers = Callers()
    held = {key: callers.hold(key) for key in dict.fromkeys(key for key, _ in steps)}
    for key, is_leaving in steps:
        if is_leaving:
            callers.let_go(held[key])
            held[key] = callers.hold(key)
        else:
            callers.serve(held[key])
        turns = [caller.turn for caller in held.values()]
        assert len(set(turns)) == len(turns)
        assert held[key].turn == max(turns)


@given(weights=st.lists(st.floats(min_value=1, max_value=9), min_size=2, max_size=5), rounds=st.integers(1, 20))
def test_a_caller_is_served_as_often_as_its_weight_says(weights: list[float], rounds: int) -> None:
    by_key: dict[str | None, float] = {str(place): weight for place, weight in enumerate(weights)}
    callers = Callers(lambda key: by_key[key])
    waiting = [callers.hold(key) for key in by_key]
    served: Counter[str | None] = Counter()
    turns = 0
    while turns < rounds * len(waiting):
        first = min(waiting, key=lambda caller: caller.turn)
        before = first.turn
        callers.serve(first)
        served[first.key] += 1
        turns += first.turn != before
    for key, weight in by_key.items():
        assert abs(served[key] - rounds * weight) < 1 + 1e-6
