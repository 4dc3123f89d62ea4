"""What a worker says of an attempt: the most it may use before, what it has used after, and its answer in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.llm_calls import WEATHER, configure
from tests.http.server import free_port
from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import ChunkKind, TaskType, WorkerStatus
from vera_orchestrator.errors import ContextTooLong, InvalidPayload, VeraError
from vera_orchestrator.metering import NOT_SENT, REFUSED, Channel, Spent
from vera_orchestrator.models import APIQuota, StreamChunk, Task, TaskResult
from vera_orchestrator.money import to_nanos
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.llm.options import LLMOptions

PATHS = {"openai": "/v1", "anthropic": "", "gemini": "", "ollama": ""}
every_kind = pytest.mark.parametrize("api_type", list(PATHS))
with_key = pytest.mark.parametrize("api_type", ["openai", "anthropic", "gemini"])
PRICE = ModelPrice(input=Decimal(1), output=Decimal(2))
NO_LIMITS: dict[str, Any] = {"requests_per_minute": None, "requests_per_hour": None, "requests_per_day": None}
AnyWorker = LLMAPIWorker | OllamaWorker


def worker_for(api_type: str, url: str, **options: Any) -> AnyWorker:
    if api_type == "ollama":
        return OllamaWorker(url, **options)
    return LLMAPIWorker(api_type, KEY, base_url=url + PATHS[api_type], prices={"m": PRICE}, **options)


@asynccontextmanager
async def started(api_type: str, running: Running, **options: Any) -> AsyncGenerator[AnyWorker]:
    worker = worker_for(api_type, running.url, **options)
    if api_type == "ollama":
        running.simulator.configure(running.simulator.settings.model_copy(update={"models": ("m",)}))
    assert await worker.start(), worker.status_reason
    try:
        yield worker
    finally:
        await worker.stop()


def task_of(*, seconds: float = 20, on_progress: Any = None, **payload: Any) -> Task:
    payload = {"prompt": "one two three", "model": "m", **payload}
    return Task(type=TaskType.LLM_REQUEST, payload=payload, timeout_seconds=seconds, on_progress=on_progress)


async def failed(worker: AnyWorker, channel: Channel, **payload: Any) -> VeraError:
    with pytest.raises(VeraError) as caught:
        await worker.attempt(task_of(**payload), channel)
    return caught.value


@every_kind
async def test_nobody_uses_more_than_was_demanded(api_type: str, simulating: Running, simulator: Simulator) -> None:
    channel = Channel()
    task = task_of(prompt="ünïcode " * 9, system="be brief", max_tokens=3)
    async with started(api_type, simulating) as worker:
        demand = await worker.demand(task)
        assert not [seen for seen in simulator.seen if seen.usage]
        await worker.attempt(task, channel)
    assert (demand.provider, demand.model, demand.amounts.requests) == (api_type, "m", 1)
    assert list(demand.limits) == [f"credential:{demand.credential}"]
    spent = channel.spent
    assert spent is not None
    assert spent.usage is not None
    assert spent.cost is not None
    assert 0 < spent.usage.tokens <= demand.amounts.tokens
    assert demand.amounts.cost is not None
    assert to_nanos(spent.cost) <= demand.amounts.cost


async def test_a_credential_is_one_whoever_registered_it(simulating: Running) -> None:
    first = worker_for("openai", simulating.url)
    second = worker_for("openai", simulating.url, worker_id="mine")
    assert first.credential == second.credential
    assert KEY not in first.credential


async def test_the_workers_own_limits_and_rate_are_its_credentials(simulating: Running, simulator: Simulator) -> None:
    quota = APIQuota(**NO_LIMITS, tokens_per_day=5_000)
    options = LLMOptions(time_zone="Europe/Paris")
    async with started("openai", simulating, quota=quota, rate_limit_per_minute=30, options=options) as worker:
        demand = await worker.demand(task_of())
    (limits,), (rate,) = demand.limits.values(), demand.rates.values()
    assert (limits.tokens_per_day, limits.requests_per_day, limits.zone) == (5_000, None, "Europe/Paris")
    assert (rate.per_second, rate.burst) == (0.5, 10)
    assert simulator.settings.models == ()


async def test_without_a_quota_only_the_rate_holds(simulating: Running, simulator: Simulator) -> None:
    async with started("openai", simulating) as worker:
        (limits,) = (await worker.demand(task_of())).limits.values()
    assert limits.each() == ()
    assert simulator.settings.models == ()


@every_kind
@pytest.mark.parametrize("by", ["quota", "orchestrator", "nobody"])
async def test_an_answer_is_held_to_its_bound_where_limits_hold(
    api_type: str, by: str, simulating: Running, simulator: Simulator
) -> None:
    if api_type == "ollama" and by == "quota":
        return
    more = {"quota": APIQuota(cost_limit_per_day=5)} if by == "quota" else {}
    async with started(api_type, simulating, options=LLMOptions(output_tokens=4), **more) as worker:
        worker.caps_output = by == "orchestrator"
        result = await worker.execute_task(task_of(prompt="one two three four five six seven"))
    assert (result.metrics["finish_reason"] == "length") is (by != "nobody")
    assert simulator.seen


@every_kind
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503, 529])
async def test_a_refusal_is_a_request_that_used_nothing(
    api_type: str, status: int, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        configure(simulator, errors=[status])
        error = await failed(worker, channel)
    assert channel.spent == REFUSED
    assert error.elsewhere is (status in {401, 403, 404})


@every_kind
@pytest.mark.parametrize("fault", [408, 500, 504, "malformed", "cut", "reset"])
async def test_nobody_knows_what_a_request_used_that_ended_badly(
    api_type: str, fault: int | str, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        configure(simulator, errors=[fault])
        error = await failed(worker, channel)
    assert channel.spent is None
    assert error.retryable
    assert not error.elsewhere


@every_kind
async def test_nobody_knows_what_a_request_used_that_never_came_back(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        configure(simulator, errors=["hang"])
        await failed(worker, channel, seconds=0.2)
        assert worker.usage.requests_today == 1
    assert channel.spent is None


@every_kind
async def test_what_never_reached_a_provider_used_nothing(api_type: str) -> None:
    worker = worker_for(api_type, f"http://127.0.0.1:{free_port()}")
    channel = Channel()
    error = await failed(worker, channel)
    assert (channel.spent, error.elsewhere) == (NOT_SENT, True)
    await worker.start()
    channel = Channel()
    error = await failed(worker, channel)
    await worker.stop()
    assert (channel.spent, error.elsewhere) == (NOT_SENT, True)
    assert worker.usage.requests_today == 0


@every_kind
async def test_a_payload_that_is_wrong_fails_before_anything_is_sent(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        error = await failed(worker, channel, messages=[{"content": "no role"}])
        with pytest.raises(InvalidPayload):
            await worker.demand(task_of(messages=[{"content": "no role"}]))
        tools = await failed(worker, channel, tools=[{"name": "x"}], tool_choice={"odd": 1})
    assert isinstance(error, InvalidPayload)
    assert isinstance(tools, InvalidPayload)
    assert channel.spent == NOT_SENT
    assert not [seen for seen in simulator.seen if seen.usage]


@pytest.mark.parametrize("api_type", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_too_much_input_may_fit_another_model(
    api_type: str, streamed: bool, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        configure(simulator, context_length=5)
        error = await failed(worker, channel, prompt="word " * 50, stream=streamed)
        assert worker.status is WorkerStatus.IDLE
    assert isinstance(error, ContextTooLong)
    assert (error.elsewhere, channel.spent) == (True, REFUSED)


@every_kind
async def test_usage_that_is_not_reported_stays_what_was_reserved(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    configure(simulator, report_usage=False)
    channel = Channel()
    async with started(api_type, simulating) as worker:
        configure(simulator, report_usage=False, models=["m"])
        result = await worker.attempt(task_of(), channel)
    assert channel.spent is None
    assert (result.metrics["usage"], result.metrics["usage_estimated"]) == (None, True)
    assert (result.metrics["cost_usd"], result.metrics["cost_known"]) == (None, False)


def comparable(result: TaskResult) -> TaskResult:
    """Return a result without what no two have in common: ids and times."""
    times = ("execution_time_ms", "request_id", "total_duration", "load_duration")
    metrics = {name: value for name, value in result.metrics.items() if name not in times}
    calls = [{**call, "id": ""} for call in metrics.get("tool_calls", ())]
    return replace(
        result, metrics={**metrics, "tool_calls": calls}, execution_time_ms=0, timestamp=result.timestamp.min
    )


def texts(chunks: Sequence[StreamChunk]) -> list[str]:
    return [chunk.text for chunk in chunks if chunk.kind is ChunkKind.TEXT]


@every_kind
@pytest.mark.parametrize("more", [{}, {"tools": [WEATHER]}])
async def test_an_answer_in_pieces_has_the_result_of_the_whole(
    api_type: str, more: dict[str, Any], simulating: Running, simulator: Simulator
) -> None:
    chunks: list[StreamChunk] = []
    whole_channel, channel = Channel(), Channel(chunks.append)
    async with started(api_type, simulating) as worker:
        whole = await worker.attempt(task_of(**more), whole_channel)
        result = await worker.attempt(task_of(**more), channel)
    assert comparable(result) == comparable(whole)
    assert channel.spent == whole_channel.spent
    assert channel.has_begun
    assert "".join(texts(chunks)) == result.data
    calls = [chunk.tool_call for chunk in chunks if chunk.kind is ChunkKind.TOOL_CALL]
    assert calls == result.metrics.get("tool_calls", [])
    usages = [chunk.usage for chunk in chunks if chunk.kind is ChunkKind.USAGE]
    assert usages[-1] == result.metrics["usage"]
    assert ChunkKind.END not in {chunk.kind for chunk in chunks}
    assert simulator.seen


@every_kind
async def test_a_payload_may_ask_for_a_stream_that_nobody_watches(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    channel = Channel()
    async with started(api_type, simulating) as worker:
        result = await worker.attempt(task_of(stream=True), channel)
    assert result.data == "[simulated] one two three"
    assert not channel.has_begun  # nothing was handed out, so it could be repeated
    assert simulator.seen


@every_kind
async def test_progress_grows_and_leaves_the_end_to_the_orchestrator(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    told: list[float] = []

    async def on_progress(fraction: float) -> None:
        told.append(fraction)

    async with started(api_type, simulating) as worker:
        await worker.execute_task(task_of(prompt="word " * 30, max_tokens=20, on_progress=on_progress))
    assert len(told) > 2
    assert told == sorted(set(told))
    assert told[0] > 0
    assert told[-1] <= 0.99
    assert simulator.seen


async def test_a_progress_hook_that_fails_harms_nobody(
    simulating: Running, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    def on_progress(fraction: float) -> None:
        raise RuntimeError(f"no {fraction}")

    async with started("openai", simulating) as worker:
        result = await worker.execute_task(task_of(max_tokens=5, on_progress=on_progress))
    assert result.success
    assert "on_progress failed" in caplog.text
    assert simulator.seen


@with_key
async def test_a_stream_that_is_cut_is_settled_with_the_most_it_may_have_used(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    chunks: list[StreamChunk] = []
    channel = Channel(chunks.append)
    async with started(api_type, simulating) as worker:
        configure(simulator, errors=["cut"], cut_after=3, input_tokens=70)
        await failed(worker, channel, max_tokens=50)
    reported = [chunk.usage for chunk in chunks if chunk.kind is ChunkKind.USAGE]
    if not reported:  # OpenAI counts at the end only
        assert channel.spent is None
        return
    spent = channel.spent
    assert spent is not None
    assert spent.usage is not None
    assert (spent.usage.estimated, spent.usage.whole_input) == (True, 70)
    # what the model thought, or began to write as a call of a tool, is paid for and has not come
    assert spent.usage.whole_output == 50
    assert spent.cost == PRICE.cost(spent.usage)


async def test_who_cancels_a_stream_pays_for_what_may_have_been_made(simulating: Running, simulator: Simulator) -> None:
    seen = asyncio.Event()
    channel = Channel(lambda chunk: seen.set() if chunk.kind is ChunkKind.TEXT else None)
    async with started("anthropic", simulating) as worker:
        configure(simulator, errors=["hang"], cut_after=2, input_tokens=70)
        running = asyncio.create_task(worker.attempt(task_of(max_tokens=50), channel))
        await seen.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert worker.usage.requests_today == 1
    assert channel.spent is not None
    assert channel.spent.usage is not None
    assert channel.spent.usage.estimated
    assert (channel.spent.usage.input, channel.spent.usage.whole_output) == (70, 50)


async def test_an_embedding_is_paid_by_its_input(simulating: Running, simulator: Simulator) -> None:
    chunks: list[StreamChunk] = []
    channel = Channel(chunks.append)
    task = Task(type=TaskType.LLM_REQUEST, payload={"kind": "embedding", "input": ["one", "two"], "model": "m"})
    async with started("openai", simulating) as worker:
        demand = await worker.demand(task)
        await worker.attempt(task, channel)
    assert chunks == []
    assert isinstance(channel.spent, Spent)
    assert isinstance(channel.spent.usage, Usage)
    assert channel.spent.usage.whole_output == 0
    assert channel.spent.usage.tokens <= demand.amounts.tokens == 6 + 2 * 16
    assert simulator.seen
