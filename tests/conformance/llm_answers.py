"""What an adapter makes of a call and of the whole answer."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from tests.conformance.llm_calls import CITY, PIXEL, SECONDS, WEATHER, ask, call, configure, embedding
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.simulator.conversation import IMAGE_TOKENS
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.forms import FinishReason


class AnswerSuite:
    """Whole answers, embeddings and lists of models."""

    embeds: ClassVar[bool] = True
    counts_embeddings: ClassVar[bool] = True
    fetches_images: ClassVar[bool] = True
    forces_tools: ClassVar[bool] = True
    makes_any_json: ClassVar[bool] = True
    filters: ClassVar[bool] = True
    counts_parts: ClassVar[tuple[str, ...]] = ("cache_read", "cache_write", "reasoning")

    async def test_a_prompt_is_answered_and_counted(self, adapter: Adapter, simulator: Simulator) -> None:
        answer = await ask(adapter)
        assert answer.text == "[simulated] hello"
        assert (answer.model, answer.finish_reason, answer.tool_calls) == ("m", FinishReason.STOP, ())
        assert answer.usage is not None
        assert answer.usage.tokens > 0
        assert answer.native_finish_reason
        assert len(simulator.seen) == 1

    async def test_every_token_is_counted_once(self, adapter: Adapter, simulator: Simulator) -> None:
        told = {"input_tokens": 100, "output_tokens": 9, "cached_tokens": 60, "cache_write_tokens": 7}
        configure(simulator, **told, reasoning_tokens=4)
        usage = (await ask(adapter)).usage
        assert usage is not None
        parts = {"cache_read": 60, "cache_write": 7, "reasoning": 4}
        known = {name: count if name in self.counts_parts else 0 for name, count in parts.items()}
        expected_input = 100 - known["cache_read"] - known["cache_write"]
        assert usage == Usage.from_json({"input": expected_input, "output": 9 - known["reasoning"], **known})
        assert usage.tokens == 109

    async def test_usage_that_is_not_reported_is_unknown(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, report_usage=False)
        answer = await ask(adapter)
        assert answer.text == "[simulated] hello"
        assert answer.usage is None

    async def test_the_system_prompt_and_all_messages_arrive(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, message_tokens=0)
        messages = [
            {"role": "system", "content": "one"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "three"},
            {"role": "user", "content": [{"type": "text", "text": "four"}]},
        ]
        answer = await ask(adapter, messages=messages, system="zero")
        assert answer.text == "[simulated] four"
        body = json.dumps(simulator.seen[-1].body)
        assert all(word in body for word in ("zero", "one", "two", "three", "four"))

    async def test_an_answer_ends_at_its_limit(self, adapter: Adapter, simulator: Simulator) -> None:
        answer = await ask(adapter, max_tokens=1)
        assert (answer.text, answer.finish_reason) == ("[simulated]", FinishReason.LENGTH)
        assert simulator.seen

    async def test_an_answer_ends_at_a_stop_sequence(self, adapter: Adapter, simulator: Simulator) -> None:
        answer = await ask(adapter, prompt="one two three", stop="two")
        assert (answer.text.strip(), answer.finish_reason) == ("[simulated] one", FinishReason.STOP)
        assert simulator.seen

    async def test_an_answer_fits_the_schema(self, adapter: Adapter, simulator: Simulator) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        assert json.loads((await ask(adapter, json_schema=schema)).text) == {"n": 1}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": CITY}}
        assert json.loads((await ask(adapter, response_format=form)).text) == {"city": "[simulated]"}
        assert simulator.seen

    async def test_any_json_may_be_asked_for(self, adapter: Adapter, simulator: Simulator) -> None:
        if not self.makes_any_json:
            with pytest.raises(InvalidPayload, match="json_schema"):
                await ask(adapter, json_schema={})
            return
        assert isinstance(json.loads((await ask(adapter, json_schema={})).text), dict)
        assert simulator.seen

    async def test_a_tool_is_called_and_its_result_answered(self, adapter: Adapter, simulator: Simulator) -> None:
        first = await ask(adapter, prompt="weather?", tools=[WEATHER])
        assert first.finish_reason is FinishReason.TOOL_CALLS
        (called,) = first.tool_calls
        assert (called.name, called.arguments) == ("weather", {"city": "[simulated]"})
        assert called.id
        history = [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "tool_calls": [called.to_json()]},
            {"role": "tool", "tool_call_id": called.id, "content": "sunny"},
        ]
        second = await ask(adapter, messages=history, tools=[{"type": "function", "function": WEATHER}])
        assert (second.text, second.tool_calls) == ("[simulated] weather?", ())
        assert "sunny" in json.dumps(simulator.seen[-1].body)

    async def test_tools_are_left_alone_where_none_is_wanted(self, adapter: Adapter, simulator: Simulator) -> None:
        answer = await ask(adapter, tools=[WEATHER], tool_choice="none")
        assert (answer.text, answer.tool_calls) == ("[simulated] hello", ())
        assert simulator.seen

    async def test_one_tool_may_be_demanded(self, adapter: Adapter, simulator: Simulator) -> None:
        tools = [{**WEATHER, "name": "other"}, WEATHER]
        if not self.forces_tools:
            with pytest.raises(InvalidPayload, match="tool_choice"):
                await ask(adapter, tools=tools, tool_choice="weather")
            return
        answer = await ask(adapter, tools=tools, tool_choice="weather")
        assert [one.name for one in answer.tool_calls] == ["weather"]
        assert simulator.seen

    async def test_an_image_is_sent_as_its_bytes(self, adapter: Adapter, simulator: Simulator) -> None:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        without = await ask(adapter, messages=[{"role": "user", "content": [{"type": "text", "text": "look"}]}])
        answer = await ask(adapter, messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, image]}])
        assert answer.usage is not None
        assert without.usage is not None
        assert answer.usage.tokens == without.usage.tokens + IMAGE_TOKENS
        assert PIXEL.rstrip("=") in json.dumps(simulator.seen[-1].body)

    async def test_an_image_by_address_is_sent_or_refused(self, adapter: Adapter, simulator: Simulator) -> None:
        image = {"type": "image", "url": "https://example.org/cat.png", "media_type": "image/png"}
        messages = [{"role": "user", "content": [{"type": "text", "text": "look"}, image]}]
        if not self.fetches_images:
            with pytest.raises(InvalidPayload, match="content"):
                await ask(adapter, messages=messages)
            return
        await ask(adapter, messages=messages)
        assert image["url"] in json.dumps(simulator.seen[-1].body)

    async def test_what_a_call_uses_is_never_above_the_bound(self, adapter: Adapter, simulator: Simulator) -> None:
        asked = call(prompt="ünïcode " * 20, system="be brief", tools=[WEATHER], json_schema=CITY)
        answer = await adapter.answer(asked, seconds=SECONDS)
        assert answer.usage is not None
        assert answer.usage.whole_input <= asked.input_bound(adapter.tokens_per_image)
        assert simulator.seen

    async def test_a_filtered_answer_says_so(self, adapter: Adapter, simulator: Simulator) -> None:
        if not self.filters:
            return
        configure(simulator, errors=["filtered"])
        answer = await ask(adapter)
        assert answer.finish_reason is FinishReason.CONTENT_FILTER
        assert answer.usage is not None

    async def test_texts_become_vectors_in_their_order(self, adapter: Adapter, simulator: Simulator) -> None:
        if not self.embeds:
            with pytest.raises(InvalidPayload, match="embeddings"):
                await adapter.embed(embedding("one"), seconds=SECONDS)
            return
        both = await adapter.embed(embedding("one", "two", dimensions=8), seconds=SECONDS)
        alone = await adapter.embed(embedding("two", dimensions=8), seconds=SECONDS)
        assert [len(vector) for vector in both.vectors] == [8, 8]
        assert both.vectors[1] == pytest.approx(alone.vectors[0])
        assert both.vectors[0] != both.vectors[1]
        assert (both.usage is not None) is self.counts_embeddings
        assert len(simulator.seen) == 2

    async def test_models_are_listed_for_nothing(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, models=["chatty", "my-embed"])
        assert {model.name.partition(":")[0] for model in await adapter.models(seconds=SECONDS)} == {
            "chatty",
            "my-embed",
        }
        assert all(request.usage is None for request in simulator.seen)
