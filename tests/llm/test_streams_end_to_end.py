"""Answers in pieces, from the provider to the caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conformance.llm_calls import WEATHER
from tests.llm.conftest import tell
from tests.llm.stage import KINDS, REFUSED, Fleet, in_account, kept, streamed
from tests.support import run, soon
from vera_orchestrator.enums import ChunkKind, TaskStatus
from vera_orchestrator.models import StreamChunk, TaskResult
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
every_kind = pytest.mark.parametrize("kind", KINDS)
OF_ONE_REQUEST = {"request_id", "tool_calls", "routing", "execution_time_ms"}
WORDS = "one two three four five six"


def text_of(chunks: list[StreamChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.kind is ChunkKind.TEXT)


def of_any_request(result: TaskResult) -> dict[str, Any]:
    """Return the metrics that two equal requests have in common; Ollama's times differ too."""
    return {
        name: value
        for name, value in result.metrics.items()
        if name not in OF_ONE_REQUEST and "duration" not in name and not name.endswith("_ms")
    }


@every_kind
async def test_a_streamed_result_is_the_unstreamed_one(fleet: Fleet, provider: Running, kind: str) -> None:
    one = fleet.one
    await fleet.ready(kind)
    tell(provider.simulator, reasoning_tokens=4, cached_tokens=1)
    whole, pieces = fleet.asking(kind, prompt=WORDS), fleet.asking(kind, prompt=WORDS)
    expected = await run(one, whole)
    chunks, result = await streamed(one, pieces)
    assert (result.success, result.data, result.worker_id) == (True, expected.data, expected.worker_id)
    assert text_of(chunks) == result.data
    assert len([chunk for chunk in chunks if chunk.kind is ChunkKind.TEXT]) > 3
    assert of_any_request(result) == of_any_request(expected)
    used = [chunk.usage for chunk in chunks if chunk.kind is ChunkKind.USAGE]
    assert used[-1] == result.metrics["usage"]
    (first,), (second,) = await kept(one, whole), await kept(one, pieces)
    assert in_account(first) == in_account(second)
    assert (first.usage, str(second.state)) == (second.usage, "settled")


@every_kind
async def test_a_tool_call_comes_as_one_chunk_and_is_in_the_result(fleet: Fleet, provider: Running, kind: str) -> None:
    one = fleet.one
    await fleet.ready(kind)
    task = fleet.asking(kind, prompt="what is the weather?", payload={"tools": [WEATHER]})
    chunks, result = await streamed(one, task)
    called = [chunk.tool_call for chunk in chunks if chunk.kind is ChunkKind.TOOL_CALL]
    assert called == result.metrics["tool_calls"]
    assert len(called) == 1
    whole = await run(one, fleet.asking(kind, prompt="what is the weather?", payload={"tools": [WEATHER]}))
    assert [_named(call) for call in whole.metrics["tool_calls"]] == [_named(call) for call in called]
    assert result.metrics["finish_reason"] == whole.metrics["finish_reason"]
    (attempt,) = await kept(one, task)
    assert (str(attempt.state), attempt.amounts.tokens) == ("settled", result.metrics["tokens_used"])


def _named(call: dict[str, Any] | None) -> tuple[Any, Any]:
    assert call is not None
    function = call.get("function", call)
    return function["name"], function["arguments"]


@every_kind
@pytest.mark.parametrize("fault", ["cut", "reset", "malformed", "stream_error", "hang"])
async def test_a_stream_that_breaks_is_final_and_settled_as_an_estimate(
    fleet: Fleet, provider: Running, kind: str, fault: str
) -> None:
    one, worker = fleet.one, await fleet.ready(kind)
    tell(provider.simulator, errors=(fault,), cut_after=2)
    task = fleet.asking(kind, prompt=WORDS, max_retries=3, timeout_seconds=0.6 if fault == "hang" else 20)
    before = provider.simulator.count
    chunks, result = await streamed(one, task)
    assert f"[simulated] {WORDS}".startswith(text_of(chunks))
    assert text_of(chunks)
    assert (task.status, result.success, task.retry_count) == (TaskStatus.FAILED, False, 0)
    assert result.error_type in {"StreamBroken", "TaskTimeout"}
    assert provider.simulator.count == before + 1  # who has read its beginning gets no other answer
    (attempt,) = await kept(one, task)
    assert in_account(attempt)[:2] == ("estimated", 1)
    assert attempt.amounts.tokens > 0
    assert worker.is_usable


@every_kind
@pytest.mark.parametrize("fault", [429, 500, "reset", "cut"])
async def test_a_stream_that_fails_before_its_first_chunk_is_tried_again_unseen(
    fleet: Fleet, provider: Running, kind: str, fault: int | str
) -> None:
    one = fleet.one
    await fleet.ready(kind)
    tell(provider.simulator, errors=(fault,), cut_after=0, retry_after=None)
    task = fleet.asking(kind, prompt=WORDS)
    chunks, result = await streamed(one, task)
    assert (result.success, task.retry_count) == (True, 1)
    assert text_of(chunks) == result.data == f"[simulated] {WORDS}"
    first, second = await kept(one, task)
    assert str(second.state) == "settled"
    assert (in_account(first) == REFUSED) is (fault == 429)


async def test_a_reader_that_leaves_early_does_not_end_the_task(fleet: Fleet, provider: Running) -> None:
    one = fleet.one
    await fleet.ready("openai")
    task = fleet.asking("openai", prompt=WORDS)
    async with asyncio.timeout(90):
        async for _ in one.submit_stream(task):
            break
    result = await soon(one.wait_for(task.id))
    assert (result.success, result.data) == (True, f"[simulated] {WORDS}")
    assert [str(attempt.state) for attempt in await kept(one, task)] == ["settled"]
