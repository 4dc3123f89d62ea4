"""What a task gets of an answer, through a worker whose provider is the simulator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.conformance.llm_calls import WEATHER, configure
from tests.http.server import Server
from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import ContextTooLong, InvalidPayload, TaskFailed
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.llm.kinds import default_model_of

PATHS = {"openai": "/v1", "anthropic": "", "gemini": "", "ollama": ""}
every_kind = pytest.mark.parametrize("api_type", list(PATHS))
AnyWorker = LLMAPIWorker | OllamaWorker


@asynccontextmanager
async def started(api_type: str, running: Running, **options: Any) -> AsyncGenerator[AnyWorker]:
    url = running.url + PATHS[api_type]
    worker = OllamaWorker(url) if api_type == "ollama" else LLMAPIWorker(api_type, KEY, base_url=url, **options)
    assert await worker.start(), worker.status_reason
    try:
        yield worker
    finally:
        await worker.stop()


async def ask(worker: AnyWorker, **payload: Any) -> TaskResult:
    return await worker.execute_task(Task(type=TaskType.LLM_REQUEST, payload={"model": "m", **payload}))


@every_kind
async def test_the_data_is_the_text_and_the_rest_is_in_the_metrics(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    configure(simulator, cached_tokens=2, reasoning_tokens=1)
    async with started(api_type, simulating) as worker:
        result = await ask(worker, prompt="hello")
        assert worker.usage.tokens_today == result.metrics["tokens_used"]
    assert (result.success, result.data) == (True, "[simulated] hello")
    metrics = result.metrics
    assert (metrics["model"], metrics["api_type"], metrics["finish_reason"]) == ("m", api_type, "stop")
    assert metrics["tokens_used"] == metrics["input_tokens"] + metrics["output_tokens"]
    assert metrics["tokens_used"] == sum(count for name, count in metrics["usage"].items() if name != "estimated")
    assert "tool_calls" not in metrics


@every_kind
async def test_calls_of_tools_are_in_the_metrics(api_type: str, simulating: Running, simulator: Simulator) -> None:
    async with started(api_type, simulating) as worker:
        result = await ask(worker, prompt="weather?", tools=[WEATHER])
        (called,) = result.metrics["tool_calls"]
        assert (called["name"], called["arguments"]) == ("weather", {"city": "[simulated]"})
        history = [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": result.data, "tool_calls": result.metrics["tool_calls"]},
            {"role": "tool", "tool_call_id": called["id"], "content": "sunny"},
        ]
        assert (await ask(worker, messages=history)).data == "[simulated] weather?"
    assert len([seen for seen in simulator.seen if seen.usage]) == 2


@pytest.mark.parametrize("api_type", ["openai", "gemini", "ollama"])
async def test_embeddings_are_lists_of_numbers(api_type: str, simulating: Running, simulator: Simulator) -> None:
    configure(simulator, dimensions=4)
    async with started(api_type, simulating) as worker:
        result = await ask(worker, kind="embedding", input=["one", "two"])
        with pytest.raises(InvalidPayload, match=r"payload\.model"):
            await ask(worker, kind="embedding", input="one", model=None)
    assert [len(vector) for vector in result.data] == [4, 4]
    assert all(isinstance(number, float) for vector in result.data for number in vector)
    assert "finish_reason" not in result.metrics


@pytest.mark.parametrize("api_type", ["gemini"])
async def test_an_answer_that_the_filter_took_is_paid_for_and_not_asked_again(
    api_type: str, simulating: Running, simulator: Simulator
) -> None:
    configure(simulator, errors=["filtered"])
    async with started(api_type, simulating) as worker:
        with pytest.raises(InvalidPayload, match="content filter") as caught:
            await ask(worker, prompt="hello")
        assert worker.usage.tokens_today > 0
    assert not caught.value.retryable


async def test_a_key_that_gemini_calls_invalid_stops_the_worker_until_it_is_valid(simulated_provider: Server) -> None:
    refusal = {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    body = {"error": {**refusal, "details": [info]}}
    simulated_provider.routes["/v1beta/models"] = lambda handler, _: handler.answer_json(body, 400)
    worker = LLMAPIWorker("gemini", KEY, base_url=simulated_provider.url)
    assert not await worker.start()
    assert worker.status is WorkerStatus.ERROR
    assert "refused the key" in (worker.status_reason or "")
    simulated_provider.routes["/v1beta/models"] = lambda handler, _: handler.answer_json({"models": []})
    assert await worker.health_check()
    assert (worker.status, worker.status_reason) == (WorkerStatus.IDLE, None)
    await worker.stop()


async def test_gemini_may_say_in_the_body_when_to_come_back(simulated_provider: Server) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}
    body = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [retry]}}
    simulated_provider.routes["/v1beta/models"] = lambda handler, _: handler.answer_json({"models": []})
    simulated_provider.routes["/v1beta/models/m:generateContent"] = lambda handler, _: handler.answer_json(body, 429)
    worker = LLMAPIWorker("gemini", KEY, base_url=simulated_provider.url)
    assert await worker.start()
    with pytest.raises(TaskFailed) as caught:
        await ask(worker, prompt="hello")
    await worker.stop()
    assert caught.value.retry_after == 7.5


def test_default_models_are_settings() -> None:
    config = OrchestratorConfig(default_openai_model="o", default_gemini_model="g", default_ollama_model=None)
    assert default_model_of("openai", config) == "o"
    assert default_model_of("google", config) == default_model_of("gemini", config) == "g"
    assert default_model_of("anthropic", config)
    assert default_model_of("ollama", config) is None


async def test_gemini_says_in_words_that_the_input_is_too_long(simulated_provider: Server) -> None:
    said = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    body = {"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}
    simulated_provider.routes["/v1beta/models"] = lambda handler, _: handler.answer_json({"models": []})
    simulated_provider.routes["/v1beta/models/m:generateContent"] = lambda handler, _: handler.answer_json(body, 400)
    worker = LLMAPIWorker("gemini", KEY, base_url=simulated_provider.url)
    assert await worker.start()
    with pytest.raises(ContextTooLong, match="1048576"):
        await ask(worker, prompt="hello")
    await worker.stop()
