"""The Responses API by the official client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.api.openai.stage import Stage
from tests.llm.conftest import tell
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def respond(stage: Stage, *, stream: bool = False, **more: Any) -> Response:
    """Return an answer, as the client puts it together."""
    asked = {"model": "openai/m", "input": "one two three", **more}
    if not stream:
        create: Any = stage.client.responses.create
        return await create(**asked)
    begin: Any = stage.client.responses.stream
    async with begin(**asked) as events:
        return await events.get_final_response()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_is_answered_and_counted_as_in_a_chat(stage: Stage, stream: bool) -> None:
    answer = await respond(stage, stream=stream, instructions="Be brief.")
    chat = await stage.chat(
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
    )
    assert (answer.object, answer.status, answer.model) == ("response", "completed", "m")
    assert answer.output_text == chat.choices[0].message.content
    assert answer.usage is not None
    assert chat.usage is not None
    assert answer.usage.input_tokens == chat.usage.prompt_tokens
    assert answer.usage.output_tokens == chat.usage.completion_tokens


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_and_their_results_taken(stage: Stage, kind: str, stream: bool) -> None:
    asked: dict[str, Any] = {"model": f"{kind}/m", "tools": [WEATHER], "stream": stream}
    answer = await respond(stage, **asked)
    call = answer.output[-1]
    assert call.type == "function_call"
    assert call.name == "weather"
    assert "city" in json.loads(call.arguments)
    said: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "one two three"}]}]
    said += [item.model_dump() for item in answer.output]
    said += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    assert (await respond(stage, **asked, input=said)).output_text


async def test_an_answer_fits_its_schema(stage: Stage) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = await respond(stage, text={"format": {"type": "json_schema", "name": "place", "schema": schema}})
    assert isinstance(json.loads(answer.output_text)["city"], str)


async def test_an_answer_that_was_cut_is_incomplete(stage: Stage) -> None:
    answer = await respond(stage, max_output_tokens=1)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_events_are_numbered_and_a_broken_stream_is_told(stage: Stage, provider: Running) -> None:
    create: Any = stage.client.responses.create
    asked: dict[str, Any] = {"model": "openai/m", "input": "one two three", "stream": True}
    events = [event async for event in await create(**asked)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    tell(provider.simulator, errors=("cut",))
    events = [event async for event in await create(**asked)]
    assert events[-1].type == "response.failed"
    assert "stream broke" in events[-1].response.error.message


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"input": ""}, "input"),
    ],
)
async def test_what_is_not_supported_is_named(stage: Stage, more: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await respond(stage, **more)
    assert (caught.value.param or "").startswith(param)
