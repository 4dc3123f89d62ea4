"""What is answered, without a server: pure functions of settings and request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.simulator.answers import answer_to
from vera_orchestrator.simulator.conversation import MARK, Asked, Finish, Usage, input_tokens, pieces_of, vector
from vera_orchestrator.simulator.settings import OK, Fault, SimulatorSettings

COUNTS = st.integers(0, 50)


def asked(prompt: str = "tell me a story", **more: Any) -> Asked:
    return Asked(model="m", texts=(prompt,), prompt=prompt, **more)


def settings(**values: Any) -> SimulatorSettings:
    return SimulatorSettings(**values)


@given(st.text())
def test_the_pieces_of_a_text_are_the_text_and_never_more_than_its_bytes(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert len(pieces) <= len(text.encode("utf-8", "surrogatepass"))


def test_the_prompt_is_echoed_behind_the_mark() -> None:
    answer = answer_to(settings(), asked("hello"), 0, OK)
    assert answer.text == f"{MARK} hello"
    assert answer.finish is Finish.STOP


def test_scripted_answers_come_in_turn_and_then_again() -> None:
    two = settings(answers=("one", "two"))
    assert [answer_to(two, asked(), turn, OK).text for turn in range(3)] == [
        f"{MARK} one",
        f"{MARK} two",
        f"{MARK} one",
    ]


@given(prompt=st.text(), limit=st.integers(1, 20), reasoning=st.integers(0, 30))
def test_output_never_passes_max_tokens(prompt: str, limit: int, reasoning: int) -> None:
    answer = answer_to(settings(reasoning_tokens=reasoning), asked(prompt, max_tokens=limit), 0, OK)
    assert answer.usage is not None
    assert answer.usage.all_output <= limit
    whole = f"{MARK} {prompt}"
    assert whole.startswith(answer.text)
    assert (answer.finish is Finish.LENGTH) == (answer.text != whole)


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    answer = answer_to(settings(answers=("one two three",)), asked(stop=("three", "two")), 0, OK)
    assert (answer.text, answer.stopped_by, answer.finish) == (f"{MARK} one ", "two", Finish.STOP)


@given(cached=COUNTS, written=COUNTS, reported=st.none() | COUNTS, prompt=st.text(max_size=60))
def test_counts_of_input_are_disjoint_and_add_up(cached: int, written: int, reported: int | None, prompt: str) -> None:
    several = settings(cached_tokens=cached, cache_write_tokens=written, input_tokens=reported)
    usage = answer_to(several, asked(prompt), 0, OK).usage
    assert usage is not None
    assert usage.all_input == (input_tokens(asked(prompt), 3) if reported is None else reported)
    assert min(usage.input, usage.cache_read, usage.cache_write) >= 0


def test_set_counts_are_reported_as_they_are() -> None:
    counts = settings(input_tokens=1_000, output_tokens=500, cached_tokens=800, reasoning_tokens=200)
    assert answer_to(counts, asked(), 0, OK).usage == Usage(input=200, output=300, cache_read=800, reasoning=200)


def test_no_usage_is_reported_if_none_is_to_be() -> None:
    assert answer_to(settings(report_usage=False), asked(), 0, OK).usage is None


def test_an_offered_tool_is_called_with_arguments_of_its_schema() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = answer_to(settings(), asked(tools={"weather": schema}), 0, OK)
    assert answer.finish is Finish.TOOL
    assert answer.call is not None
    assert (answer.call.name, answer.call.arguments) == ("weather", {"city": MARK})


def test_no_tool_is_called_if_none_is_to_be() -> None:
    answer = answer_to(settings(call_tools=False), asked(tools={"weather": {}}), 0, OK)
    assert (answer.call, answer.finish) == (None, Finish.STOP)


def test_a_scripted_answer_that_is_json_is_given_where_json_is_asked_for() -> None:
    script = settings(answers=('{"a": 1}', "no json"))
    assert answer_to(script, asked(schema={}), 0, OK).text == '{"a": 1}'
    assert json.loads(answer_to(script, asked(schema={}), 1, OK).text) == {"simulated": True}


@pytest.mark.parametrize(("fault", "empty", "finish"), [("empty", True, "stop"), ("filtered", False, "filtered")])
def test_faults_that_are_answers(fault: str, empty: bool, finish: str) -> None:
    answer = answer_to(settings(), asked(), 0, Fault(fault))
    assert (answer.empty, answer.finish) == (empty, Finish(finish))


def test_vectors_have_length_one_and_depend_on_text_and_seed_alone() -> None:
    one = vector("text", 32, 0)
    assert len(one) == 32
    assert sum(value * value for value in one) == pytest.approx(1)
    assert one == vector("text", 32, 0)
    assert one != vector("other", 32, 0)
    assert one != vector("text", 32, 1)
