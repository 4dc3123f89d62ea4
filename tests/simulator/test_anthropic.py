"""Anthropic's shape, seen through Anthropic's client."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import ToolParam

from tests.simulator.conftest import user
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

TOOL: ToolParam = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.mark.usefixtures("simulator")
def test_a_message_is_echoed_and_says_that_it_is_simulated(anthropic_client: anthropic.Anthropic) -> None:
    raw = anthropic_client.messages.with_raw_response.create(model="c", max_tokens=50, messages=user("hello"))
    answer = raw.parse()
    block = answer.content[0]
    assert block.type == "text"
    assert (block.text, answer.stop_reason, answer.model) == ("[simulated] hello", "end_turn", "c")
    assert raw.headers["x-simulated"] == "true"
    assert raw.headers["request-id"] == "req_simulated_1"


def test_input_leaves_out_what_the_cache_holds(anthropic_client: anthropic.Anthropic, simulator: Simulator) -> None:
    counts: Any = {"input_tokens": 100, "cached_tokens": 60, "cache_write_tokens": 30, "output_tokens": 9}
    simulator.configure(SimulatorSettings(reasoning_tokens=4, **counts))
    usage = anthropic_client.messages.create(model="c", max_tokens=50, messages=user("hello")).usage
    assert usage.input_tokens == 10
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens) == (60, 30, 9)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 4


@pytest.mark.usefixtures("simulator")
def test_a_stream_adds_up_to_the_whole_answer(anthropic_client: anthropic.Anthropic) -> None:
    asked = user("a few words")
    with anthropic_client.messages.stream(model="c", max_tokens=50, messages=asked) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    whole = anthropic_client.messages.create(model="c", max_tokens=50, messages=asked)
    assert "".join(texts) == "[simulated] a few words"
    assert len(texts) == 4
    assert (final.usage, final.stop_reason) == (whole.usage, whole.stop_reason)


def test_a_stop_sequence_is_named(anthropic_client: anthropic.Anthropic, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(answers=("one two",)))
    answer = anthropic_client.messages.create(model="c", max_tokens=50, messages=user("x"), stop_sequences=["two"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "two")


@pytest.mark.usefixtures("simulator")
def test_an_answer_ends_at_its_limit(anthropic_client: anthropic.Anthropic) -> None:
    answer = anthropic_client.messages.create(model="c", max_tokens=2, messages=user("a few words"))
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 2)


@pytest.mark.usefixtures("simulator")
def test_a_tool_is_called_streamed_or_not_and_its_result_is_answered(anthropic_client: anthropic.Anthropic) -> None:
    asked = user("weather?")
    with anthropic_client.messages.stream(model="c", max_tokens=50, messages=asked, tools=[TOOL]) as stream:
        streamed = stream.get_final_message()
    whole = anthropic_client.messages.create(model="c", max_tokens=50, messages=asked, tools=[TOOL])
    for answer in (streamed, whole):
        call = answer.content[0]
        assert call.type == "tool_use"
        assert (call.name, call.input, answer.stop_reason) == ("weather", {"city": "[simulated]"}, "tool_use")
    call = whole.content[0].to_dict()
    history: Any = [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}]},
    ]
    answered = anthropic_client.messages.create(model="c", max_tokens=50, messages=asked + history, tools=[TOOL])
    second = answered.content[0]
    assert second.type == "text"
    assert second.text == "[simulated] weather?"


@pytest.mark.usefixtures("simulator")
def test_an_answer_fits_its_schema(anthropic_client: anthropic.Anthropic) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config: Any = {"format": {"type": "json_schema", "schema": schema}}
    answer = anthropic_client.messages.create(model="c", max_tokens=50, messages=user("x"), output_config=config)
    block = answer.content[0]
    assert block.type == "text"
    assert json.loads(block.text) == {"n": 1}


@pytest.mark.usefixtures("simulator")
def test_tokens_are_counted_as_they_are_reported(anthropic_client: anthropic.Anthropic) -> None:
    messages = anthropic_client.messages
    counted = messages.count_tokens(model="c", system="be brief", messages=user("hello"), tools=[TOOL])
    answered = messages.create(model="c", system="be brief", messages=user("hello"), tools=[TOOL], max_tokens=50)
    assert counted.input_tokens == answered.usage.input_tokens > 6


def test_models_are_listed(anthropic_client: anthropic.Anthropic, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("mine",), context_length=777))
    listed = list(anthropic_client.models.list())
    assert [(model.id, model.display_name) for model in listed] == [("mine", "mine (simulated)")]
    assert anthropic_client.models.retrieve("mine").max_input_tokens == 777


@pytest.mark.parametrize(
    ("values", "error", "kind"),
    [
        ({"key": "another"}, anthropic.AuthenticationError, "authentication_error"),
        ({"errors": (403,)}, anthropic.PermissionDeniedError, "permission_error"),
        ({"models": ("other",)}, anthropic.NotFoundError, "not_found_error"),
        ({"context_length": 3}, anthropic.BadRequestError, "invalid_request_error"),
        ({"errors": (429,)}, anthropic.RateLimitError, "rate_limit_error"),
        ({"errors": (500,)}, anthropic.InternalServerError, "api_error"),
        ({"errors": (529,)}, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_errors_come_as_the_clients_own(
    anthropic_client: anthropic.Anthropic,
    simulator: Simulator,
    values: dict[str, Any],
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    simulator.configure(SimulatorSettings(**values))
    with pytest.raises(error, match=r"\[simulated\]") as raised:
        anthropic_client.messages.create(model="c", max_tokens=50, messages=user("hello"))
    body: Any = raised.value.body
    assert body["error"]["type"] == kind


def test_limits_are_told(anthropic_client: anthropic.Anthropic, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(requests_per_minute=5))
    raw = anthropic_client.messages.with_raw_response.create(model="c", max_tokens=50, messages=user("hello"))
    assert raw.headers["anthropic-ratelimit-requests-limit"] == "5"
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "4"


def test_an_error_within_a_stream_is_an_event(anthropic_client: anthropic.Anthropic, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings.model_validate({"errors": ["stream_error"], "cut_after": 2}))
    texts: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError, match="the stream broke"),
        anthropic_client.messages.stream(model="c", max_tokens=50, messages=user("a few words")) as stream,
    ):
        texts.extend(stream.text_stream)
    assert texts == ["[simulated]", " a"]
