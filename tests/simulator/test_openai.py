"""OpenAI's shape, seen through OpenAI's client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.simulator.conftest import KEY, user
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_a_chat_is_echoed_and_says_that_it_is_simulated(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model="gpt-x", messages=user("hello"))
    answer = raw.parse()
    assert answer.choices[0].message.content == "[simulated] hello"
    assert (answer.model, answer.system_fingerprint, answer.choices[0].finish_reason) == ("gpt-x", "simulated", "stop")
    assert raw.headers["x-simulated"] == "true"
    assert raw.headers["x-request-id"] == "req-simulated-1"
    assert simulator.seen[0].body["messages"] == user("hello")


def test_usage_has_its_details(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    counts: Any = {"input_tokens": 100, "output_tokens": 50, "cached_tokens": 60, "reasoning_tokens": 20}
    simulator.configure(SimulatorSettings(**counts))
    usage = openai_client.chat.completions.create(model="m", messages=user("hello")).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 50, 150)
    assert usage.prompt_tokens_details.cached_tokens == 60
    assert usage.completion_tokens_details.reasoning_tokens == 20


def test_a_stream_is_the_whole_answer_in_pieces(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        openai_client.chat.completions.create(
            model="m", messages=user("a few words"), stream=True, stream_options=options
        )
    )
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "[simulated] a few words"
    assert sum(map(bool, texts)) == 4
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (6, 4)
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert simulator.seen[0].pieces == 4


@pytest.mark.usefixtures("simulator")
def test_a_stream_has_no_usage_unless_it_was_asked_for(openai_client: openai.OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model="m", messages=user("hello"), stream=True))
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)


@pytest.mark.usefixtures("simulator")
def test_a_tool_is_called_and_its_result_is_answered(openai_client: openai.OpenAI) -> None:
    create = openai_client.chat.completions.create
    first = create(model="m", messages=user("weather?"), tools=[TOOL]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls is not None
    call = first.message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "[simulated]"})
    history: Any = [first.message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = create(model="m", messages=user("weather?") + history, tools=[TOOL]).choices[0]
    assert second.message.content == "[simulated] weather?"


@pytest.mark.usefixtures("simulator")
def test_a_streamed_tool_call_adds_up(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(model="m", messages=user("weather?"), tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(calls[0].function.arguments) == {"city": "[simulated]"}


@pytest.mark.usefixtures("simulator")
def test_an_answer_fits_its_schema(openai_client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = openai_client.chat.completions.create(model="m", messages=user("a number"), response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"n": 1}


@pytest.mark.usefixtures("simulator")
def test_embeddings_are_the_same_as_floats_and_in_base64(openai_client: openai.OpenAI) -> None:
    texts = ["one", "two"]
    packed = openai_client.embeddings.create(model="m", input=texts, dimensions=8)
    plain = openai_client.embeddings.create(model="m", input=texts, dimensions=8, encoding_format="float")
    assert [len(item.embedding) for item in plain.data] == [8, 8]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
    assert plain.usage.prompt_tokens == 2


def test_models_are_listed_and_described(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("mine",)))
    assert [(model.id, model.owned_by) for model in openai_client.models.list()] == [("mine", "simulated")]
    assert openai_client.models.retrieve("mine").owned_by == "simulated"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"errors": (400,)}, openai.BadRequestError),
        ({"key": "another"}, openai.AuthenticationError),
        ({"errors": (403,)}, openai.PermissionDeniedError),
        ({"models": ("other",)}, openai.NotFoundError),
        ({"context_length": 3}, openai.BadRequestError),
        ({"errors": (429,)}, openai.RateLimitError),
        ({"errors": (500,)}, openai.InternalServerError),
        ({"errors": (503,)}, openai.InternalServerError),
    ],
)
def test_errors_come_as_the_clients_own(
    openai_client: openai.OpenAI, simulator: Simulator, values: dict[str, Any], error: type[openai.APIStatusError]
) -> None:
    simulator.configure(SimulatorSettings(**values))
    with pytest.raises(error, match=r"\[simulated\]") as raised:
        openai_client.chat.completions.create(model="m", messages=user("hello"))
    assert raised.value.response.headers["x-simulated"] == "true"
    assert KEY not in raised.value.message
    assert simulator.seen[0].ended == "refused"


def test_the_code_names_the_reason(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(context_length=3))
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.chat.completions.create(model="m", messages=user("hello"))
    assert raised.value.code == "context_length_exceeded"


def test_limits_are_told_and_kept(openai_client: openai.OpenAI, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(requests_per_minute=1))
    create = openai_client.chat.completions.with_raw_response.create
    first = create(model="m", messages=user("hello"))
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as raised:
        create(model="m", messages=user("hello"))
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize(("setting", "header"), [(1.0, "1"), (0.5, "0.5"), (None, None)])
def test_a_429_tells_when_to_come_back_if_it_is_to(
    openai_client: openai.OpenAI, simulator: Simulator, setting: float | None, header: str | None
) -> None:
    simulator.configure(SimulatorSettings(errors=(429,), retry_after=setting))
    with pytest.raises(openai.RateLimitError) as raised:
        openai_client.chat.completions.create(model="m", messages=user("hello"))
    assert raised.value.response.headers.get("retry-after") == header


@pytest.mark.usefixtures("simulator")
def test_a_request_without_messages_is_refused(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        openai_client.chat.completions.create(model="m", messages=[])
