"""The adapters of OpenAI and Anthropic against a real llama.cpp server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from tests.conformance.llm_calls import call
from tests.workers.llm.conftest import KEY
from tests.workers.llm.model import CONTEXT
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import ContextTooLong, InvalidPayload, NotConfigured
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.workers.llm import LLMAPIWorker
from vera_orchestrator.workers.llm.base import Access
from vera_orchestrator.workers.llm.kinds import connect
from vera_orchestrator.workers.llm.streaming import EndChunk, TextChunk

both_kinds = pytest.mark.parametrize("api_type", ["openai", "anthropic"])


def base_url(api_type: str, llama: str) -> str:
    return f"{llama}/v1" if api_type == "openai" else llama


def worker_for(api_type: str, llama: str, *, key: str = KEY, cost: float = 0.0) -> LLMAPIWorker:
    return LLMAPIWorker(api_type, key, base_url=base_url(api_type, llama), cost_per_1k_tokens=cost)


@asynccontextmanager
async def started(worker: LLMAPIWorker) -> AsyncGenerator[LLMAPIWorker]:
    assert await worker.start(), worker.status_reason
    try:
        yield worker
    finally:
        await worker.stop()


async def ask(worker: LLMAPIWorker, **payload: Any) -> TaskResult:
    task = Task(type=TaskType.LLM_REQUEST, payload={"max_tokens": 8, **payload}, timeout_seconds=30)
    return await worker.execute_task(task)


@both_kinds
async def test_a_prompt_gives_text_and_counts_what_it_used(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama, cost=0.5)) as worker:
        result = await ask(worker, prompt="hi", temperature=0.0, seed=1)
    metrics = result.metrics
    assert result.success
    assert isinstance(result.data, str)
    assert metrics["model"] == "random.gguf"  # the only one that the server lists
    assert metrics["input_tokens"] > len("user: hi")
    assert 1 <= metrics["output_tokens"] <= 8
    assert metrics["tokens_used"] == metrics["input_tokens"] + metrics["output_tokens"]
    assert metrics["cost_usd"] == pytest.approx(metrics["tokens_used"] / 1000 * 0.5)
    assert metrics["cost_known"] is True
    assert metrics["api_type"] == api_type
    assert metrics["finish_reason"] in {"length", "stop"}
    assert metrics["execution_time_ms"] > 0


@both_kinds
@pytest.mark.parametrize("more", [{}, {"json_schema": {"type": "object", "properties": {}}}])
async def test_a_stream_ends_with_the_answer_that_comes_unstreamed(
    api_type: str, llama: str, more: dict[str, Any]
) -> None:
    asked = call(prompt="hi", model="random.gguf", max_tokens=8, temperature=0.0, seed=1, **more)
    adapter = connect(Access(api_type=api_type, api_key=SecretStr(KEY), base_url=base_url(api_type, llama)))
    whole = await adapter.answer(asked, seconds=30)
    chunks = [chunk async for chunk in adapter.stream(asked, seconds=30)]
    await adapter.close()
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert end.answer.text == "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    assert (end.answer.model, end.answer.finish_reason) == (whole.model, whole.finish_reason)
    # random weights make random bytes: a stream leaves out what is no UTF-8 at the end, and its beginning with them
    assert whole.text.startswith(end.answer.text)
    assert whole.usage is not None
    if end.answer.usage is not None:
        assert end.answer.usage.whole_output == whole.usage.whole_output
    if api_type == "openai":
        assert end.answer.usage is not None
        assert end.answer.usage.whole_input == whole.usage.whole_input


@both_kinds
async def test_without_a_price_the_cost_is_unknown_and_not_zero(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama)) as worker:
        result = await ask(worker, prompt="hi")
    assert result.metrics["cost_known"] is False
    assert result.metrics["cost_usd"] is None


@both_kinds
async def test_no_system_prompt_is_dropped(api_type: str, llama: str) -> None:
    """Every added text costs its tokens, which the server counts; each is of one byte per token."""
    inputs: list[int] = []
    messages = [{"role": "user", "content": "hi"}]
    payloads: list[dict[str, Any]] = [
        {"messages": messages},
        {"messages": messages, "system": "S" * 40},
        {"messages": [{"role": "system", "content": "T" * 40}, *messages], "system": "S" * 40},
    ]
    async with started(worker_for(api_type, llama)) as worker:
        for more in payloads:
            inputs.append((await ask(worker, **more)).metrics["input_tokens"])
    assert inputs[1] >= inputs[0] + 40
    assert inputs[2] >= inputs[1] + 40


@both_kinds
async def test_a_prompt_beside_messages_is_the_last_word(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama)) as worker:
        alone = await ask(worker, messages=[{"role": "user", "content": "hi"}])
        more = await ask(worker, messages=[{"role": "user", "content": "hi"}], prompt="P" * 30)
    assert more.metrics["input_tokens"] >= alone.metrics["input_tokens"] + 30


@both_kinds
async def test_background_cognition_becomes_a_prompt(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama)) as worker:
        task = Task(type=TaskType.BACKGROUND_COGNITION, payload={"focus": "tests", "max_tokens": 8})
        assert worker.accepts(task)
        result = await worker.execute_task(task)
    assert result.success
    assert result.metrics["input_tokens"] > 100


async def test_fields_that_only_the_provider_knows_reach_it(llama: str) -> None:
    async with started(worker_for("openai", llama)) as worker:
        with pytest.raises(InvalidPayload, match="payload"):
            await ask(worker, prompt="hi", grammar="this is no grammar ::=")


@both_kinds
async def test_a_key_that_is_refused_makes_a_worker_in_error(api_type: str, llama: str) -> None:
    worker = worker_for(api_type, llama, key="sk-wrong-0123456789")
    assert not await worker.start()
    assert worker.status is WorkerStatus.ERROR
    assert "refused the key" in (worker.status_reason or "")
    with pytest.raises(NotConfigured) as caught:
        await ask(worker, prompt="hi", model="random.gguf")
    await worker.stop()
    assert "sk-wrong" not in str(caught.value) + repr(caught.value)


@both_kinds
async def test_many_calls_run_at_a_time_and_are_all_counted(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama, cost=1.0)) as worker:
        results = await asyncio.gather(*(ask(worker, prompt=f"number {n}") for n in range(6)))
    tokens = sum(result.metrics["tokens_used"] for result in results)
    assert (worker.usage.requests_today, worker.usage.tokens_today) == (6, tokens)
    assert worker.usage.cost_today == Decimal(tokens) / 1000
    wire = worker.to_dict()
    assert (wire["total_tokens_used"], wire["total_cost_usd"]) == (tokens, pytest.approx(tokens / 1000))
    assert worker.usage.last_request is not None


@both_kinds
async def test_more_input_than_the_model_takes_is_told_apart(api_type: str, llama: str) -> None:
    async with started(worker_for(api_type, llama)) as worker:
        with pytest.raises(ContextTooLong) as caught:
            await ask(worker, prompt="x" * 2 * CONTEXT)
        assert worker.status is WorkerStatus.IDLE
    assert caught.value.was_refused
