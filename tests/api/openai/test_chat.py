"""Chat completions by the official client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.api.openai.stage import HI, Stage, served
from tests.llm.conftest import tell
from tests.llm.stage import Make, registered
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import APIQuota
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_a_conversation_is_answered_as_a_task(stage: Stage) -> None:
    answer, headers = await stage.raw()
    task = await stage.one.get_task(headers["x-request-id"])
    assert task is not None
    assert task.result is not None
    assert task.status is TaskStatus.COMPLETED
    assert answer.id == f"chatcmpl-{task.id}"
    assert (answer.object, answer.model) == ("chat.completion", "m")
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == (task.result.data, "stop")
    assert answer.usage is not None
    assert answer.usage.total_tokens == task.result.metrics["tokens_used"]
    assert headers["x-vera-worker"] == "openai"
    assert float(headers["x-vera-cost-usd"]) == pytest.approx(task.result.metrics["cost_usd"])


async def test_the_headers_tell_what_is_left_of_the_limits(make: Make, provider: Running) -> None:
    one = await make(llm_limits=APIQuota(requests_per_day=9, tokens_per_day=10_000))
    quota = APIQuota(requests_per_minute=50, requests_per_hour=None, requests_per_day=None)
    await registered(one, "openai", provider.url, worker_id="openai", quota=quota)
    async with served(one) as stage:
        answer, headers = await stage.raw()
        assert headers["x-ratelimit-limit-requests"] == "9"
        assert headers["x-ratelimit-remaining-requests"] == "8"
        assert answer.usage is not None
        assert headers["x-ratelimit-limit-tokens"] == "10000"
        assert int(headers["x-ratelimit-remaining-tokens"]) == 10_000 - answer.usage.total_tokens
        create: Any = stage.client.chat.completions.with_streaming_response.create
        async with create(model="openai/m", messages=HI, stream=True) as streamed:
            assert streamed.headers["x-vera-worker"] == "openai"
            assert streamed.headers["x-ratelimit-limit-requests"] == "9"


async def test_a_stream_says_what_the_whole_answer_says(stage: Stage) -> None:
    whole = await stage.chat()
    pieces = await stage.pieces(stream_options={"include_usage": True})
    assert {piece.object for piece in pieces} == {"chat.completion.chunk"}
    assert len({piece.id for piece in pieces}) == 1
    texts = [piece.choices[0].delta.content or "" for piece in pieces if piece.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert len([text for text in texts if text]) > 1
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices][-1] == "stop"
    assert pieces[-1].choices == []
    assert pieces[-1].usage == whole.usage


async def test_a_stream_tells_no_usage_unless_asked(stage: Stage) -> None:
    assert all(piece.choices and piece.usage is None for piece in await stage.pieces())


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_and_their_results_taken(stage: Stage, kind: str, stream: bool) -> None:
    asked: dict[str, Any] = {"model": f"{kind}/m", "tools": [WEATHER]}
    message = await stage.message(stream=stream, **asked)
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    assert "city" in json.loads(call.function.arguments)
    told = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    answer = await stage.message(stream=stream, messages=[*HI, message.model_dump(), told], **asked)
    assert answer.content
    assert not answer.tool_calls


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_fits_its_schema(stage: Stage, kind: str, stream: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    message = await stage.message(stream=stream, model=f"{kind}/m", response_format=form)
    assert isinstance(json.loads(message.content or "")["city"], str)


@pytest.mark.parametrize("model", ["auto", "fast", "deep", "m", "gemini/m"])
async def test_a_model_is_named_in_many_ways(stage: Stage, model: str) -> None:
    assert (await stage.chat(model=model)).model == "m"


async def test_a_model_that_is_not_there_is_told_so(stage: Stage) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await stage.chat(model="openai/nothing")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_refuses_is_a_status_also_of_a_stream(
    stage: Stage, provider: Running, stream: bool
) -> None:
    tell(provider.simulator, errors=(400,))
    with pytest.raises(openai.BadRequestError) as caught:
        await stage.message(stream=stream)
    assert caught.value.type == "invalid_request_error"


async def test_a_stream_that_breaks_is_an_error_of_the_client(stage: Stage, provider: Running) -> None:
    tell(provider.simulator, errors=("cut",))
    with pytest.raises(openai.APIError, match="stream broke"):
        await stage.pieces()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"extra_body": {"kind": "embedding"}}, "kind"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"messages": [{"role": "nobody", "content": "hi"}]}, "messages.0.role"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "poem"}}, "response_format"),
    ],
)
async def test_what_does_not_fit_is_named(stage: Stage, more: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await stage.chat(**more)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)
