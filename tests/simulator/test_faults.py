"""What goes wrong and when, without a server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vera_orchestrator.simulator.conversation import Asked
from vera_orchestrator.simulator.faults import Refused, check_context, check_key, check_model, outcome_of
from vera_orchestrator.simulator.settings import OK, Fault, SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.simulator.wire import Frame, frames_before_fault

ASKED = Asked(model="m", texts=("four",), prompt="four")


def test_scripted_outcomes_come_first_and_the_rest_is_answered() -> None:
    settings = SimulatorSettings(errors=(429, Fault.CUT))
    assert [outcome_of(settings, turn) for turn in range(4)] == [429, Fault.CUT, OK, OK]


def test_rates_hold_over_many_requests_and_repeat_for_a_seed() -> None:
    settings = SimulatorSettings(seed=5, error_rates={500: 0.1, Fault.HANG: 0.2})
    drawn = [outcome_of(settings, turn) for turn in range(2_000)]
    counted = Counter(drawn)
    assert 140 < counted[500] < 260
    assert 320 < counted[Fault.HANG] < 480
    assert drawn == [outcome_of(settings, turn) for turn in range(2_000)]
    other = settings.model_copy(update={"seed": 6})
    assert drawn != [outcome_of(other, turn) for turn in range(2_000)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"errors": (302,)},
        {"errors": ("nonsense",)},
        {"error_rates": {500: 1.5}},
        {"error_rates": {500: 0.6, 429: 0.6}},
        {"error_rates": {500: -0.1}},
        {"latency": -1},
        {"latency": float("inf")},
        {"unknown": 1},
    ],
)
def test_a_setting_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulatorSettings.model_validate(wrong)


def test_a_key_is_asked_for_only_if_one_is_set() -> None:
    check_key(SimulatorSettings(), "")
    with_key = SimulatorSettings.model_validate({"key": "right"})
    check_key(with_key, "right")
    with pytest.raises(Refused) as refused:
        check_key(with_key, "wrong")
    assert refused.value.status == 401
    assert "right" not in repr(with_key) + str(refused.value)


def test_a_model_is_known_with_and_without_its_tag() -> None:
    check_model(frozenset(), "any")
    check_model(frozenset({"llama:latest"}), "llama")
    with pytest.raises(Refused) as refused:
        check_model(frozenset({"llama:latest"}), "llama:8b")
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_a_context_is_full_exactly_above_its_length() -> None:
    check_context(SimulatorSettings(context_length=4), ASKED)
    with pytest.raises(Refused, match="4 tokens > 3"):
        check_context(SimulatorSettings(context_length=3), ASKED)


def test_a_minute_takes_no_more_requests_than_its_limit_wherever_it_begins() -> None:
    clock = [0.0]
    simulator = Simulator(SimulatorSettings(requests_per_minute=2), clock=lambda: clock[0])
    simulator.admit(ASKED)
    clock[0] = 30.5
    simulator.admit(ASKED)
    with pytest.raises(Refused) as refused:
        simulator.admit(ASKED)
    assert (refused.value.status, refused.value.retry_after) == (429, 30)
    clock[0] = 60.0
    simulator.admit(ASKED)
    limits = simulator.limits()
    assert limits is not None
    assert (limits.remaining, limits.reset) == (0, 30.5)


def test_only_the_newest_requests_are_remembered_and_all_are_counted() -> None:
    simulator = Simulator(SimulatorSettings(keep_requests=2))
    for _ in range(5):
        simulator.note(simulator.arrived("openai", "/"), status=200)
    assert [seen.number for seen in simulator.seen] == [4, 5]
    assert simulator.count == 5


@given(st.lists(st.integers(0, 1)), st.integers(0, 10))
def test_a_fault_comes_after_so_many_tokens_and_always_before_the_end(tokens: list[int], cut_after: int) -> None:
    kept = frames_before_fault([Frame(data=b"", tokens=count) for count in tokens], cut_after)
    assert kept == 0 or kept < len(tokens)
    assert sum(tokens[:kept]) <= cut_after
    assert sum(tokens[:kept]) == cut_after or kept >= len(tokens) - 1
