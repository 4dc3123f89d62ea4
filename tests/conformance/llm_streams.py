"""What an adapter makes of an answer in pieces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.llm_calls import CITY, SECONDS, WEATHER, ask, call, configure, stream
from vera_orchestrator.errors import TaskFailed, TaskTimeout
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.forms import LLMAnswer
from vera_orchestrator.workers.llm.streaming import (
    Chunk,
    EndChunk,
    StreamBroken,
    TextChunk,
    ToolCallChunk,
    UsageChunk,
)

PAYLOADS: list[dict[str, Any]] = [
    {"prompt": "one two three"},
    {"prompt": "one two three", "max_tokens": 2},
    {"prompt": "weather?", "tools": [WEATHER]},
    {"prompt": "a city", "json_schema": CITY},
]


def comparable(answer: LLMAnswer) -> LLMAnswer:
    """Return an answer without what no two answers share: ids, and the times that a server measures."""
    calls = tuple(replace(one, id="") for one in answer.tool_calls)
    return replace(answer, request_id=None, tool_calls=calls, metrics={})


def read(chunks: list[Chunk]) -> tuple[str, list[str], LLMAnswer]:
    """Return the text, the calls' ids and the whole answer that chunks tell."""
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    return text, [chunk.call.id for chunk in chunks if isinstance(chunk, ToolCallChunk)], end.answer


class StreamSuite:
    """Streams."""

    @pytest.mark.parametrize("payload", PAYLOADS)
    async def test_a_stream_ends_with_the_answer_that_comes_unstreamed(
        self, adapter: Adapter, simulator: Simulator, payload: dict[str, Any]
    ) -> None:
        configure(simulator, cached_tokens=3, reasoning_tokens=2)
        whole = await ask(adapter, **payload)
        chunks = await stream(adapter, **payload)
        text, calls, answer = read(chunks)
        assert comparable(answer) == comparable(whole)
        assert text == whole.text
        assert calls == [one.id for one in answer.tool_calls]
        assert len(calls) == len(whole.tool_calls)
        counted = [chunk.usage for chunk in chunks if isinstance(chunk, UsageChunk)]
        assert counted[-1] == answer.usage
        assert sum(isinstance(chunk, EndChunk) for chunk in chunks) == 1

    async def test_a_stream_comes_in_pieces(self, adapter: Adapter, simulator: Simulator) -> None:
        chunks = await stream(adapter, prompt="one two three")
        assert sum(isinstance(chunk, TextChunk) for chunk in chunks) > 2
        assert simulator.seen

    async def test_a_stream_without_usage_has_none(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, report_usage=False)
        chunks = await stream(adapter)
        assert read(chunks)[2].usage is None
        assert not any(isinstance(chunk, UsageChunk) for chunk in chunks)

    @pytest.mark.parametrize("fault", ["cut", "reset", "malformed", "stream_error"])
    async def test_a_stream_that_breaks_tells_what_came(
        self, adapter: Adapter, simulator: Simulator, fault: str
    ) -> None:
        configure(simulator, errors=[fault], cut_after=2)
        texts: list[str] = []
        with pytest.raises(StreamBroken) as caught:
            async for chunk in adapter.stream(call(prompt="one two three four"), seconds=SECONDS):
                texts += [chunk.text] if isinstance(chunk, TextChunk) else []
        assert caught.value.retryable
        assert caught.value.received.text == "".join(texts)
        # a reset may take what was on its way with it
        assert "".join(texts) or fault == "reset"

    async def test_a_stream_that_hangs_ends_in_time_and_tells_what_came(
        self, adapter: Adapter, simulator: Simulator
    ) -> None:
        configure(simulator, errors=["hang"], cut_after=2)
        with pytest.raises(StreamBroken) as caught:
            async for _ in adapter.stream(call(prompt="one two three four"), seconds=0.5):
                pass
        assert isinstance(caught.value.cause, TaskTimeout)
        assert caught.value.received.text.startswith("[simulated]")

    async def test_a_stream_that_is_refused_fails_as_a_whole_answer_does(
        self, adapter: Adapter, simulator: Simulator
    ) -> None:
        configure(simulator, errors=[429], retry_after=7)
        with pytest.raises(TaskFailed) as caught:
            await stream(adapter)
        assert not isinstance(caught.value, StreamBroken)
        assert simulator.seen

    async def test_a_reader_may_leave(self, adapter: Adapter, simulator: Simulator) -> None:
        chunks = adapter.stream(call(prompt="one two three four"), seconds=SECONDS)
        assert await anext(chunks)
        await chunks.aclose()
        assert (await ask(adapter)).text == "[simulated] hello"
        assert len(simulator.seen) == 2
