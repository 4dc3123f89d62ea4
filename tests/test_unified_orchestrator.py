"""The orchestrator with all that the specification names, without Prefect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from BackgroundCognition.orchestrator import (
    OrchestratorConfig,
    Task,
    TaskPriority,
    TaskResult,
    TaskStatus,
    TaskType,
    UnifiedOrchestrator,
    WorkerStatus,
)
from tests.support import Scripted, run, soon
from vera_orchestrator.enums import RoutingStrategy
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.simulator.running import serving

KEY = "sk-unified-9a8b7c6d"


@pytest.fixture
def config(tmp_path: Path) -> OrchestratorConfig:
    quick = {"docker_pool_size": 0, "drain_seconds": 0, "freeze_garbage": False}
    return OrchestratorConfig(home=tmp_path / "state", prefect="off", ollama_url="http://127.0.0.1:9", **quick)


@pytest.fixture
async def orchestrator(config: OrchestratorConfig) -> AsyncIterator[UnifiedOrchestrator]:
    async with UnifiedOrchestrator(config) as started:
        yield started


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    """The address of simulated providers of all kinds."""
    with serving() as served:
        yield served.url


async def test_a_function_becomes_a_tool_that_can_be_called(orchestrator: UnifiedOrchestrator) -> None:
    @orchestrator.tools.tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    result = await soon(orchestrator.execute_tool_call("add", {"a": 1, "b": 2}, priority=TaskPriority.HIGH))
    assert (result.success, result.data) == (True, 3)


async def test_an_unknown_tool_is_a_failure_that_names_it(orchestrator: UnifiedOrchestrator) -> None:
    result = await soon(orchestrator.execute_tool_call("no_such_tool"))
    assert not result.success
    assert result.error is not None and "no_such_tool" in result.error


async def test_without_a_model_to_ask_an_llm_request_says_how_to_get_one(orchestrator: UnifiedOrchestrator) -> None:
    task = Task(type=TaskType.LLM_REQUEST, payload={"prompt": "x"}, max_wait_seconds=0.2, max_retries=0)
    result = await run(orchestrator, task)
    assert not result.success
    assert result.error_type in ("NoWorker", "WorkerUnavailable", "TaskExpired")


async def test_batches_can_be_tasks(orchestrator: UnifiedOrchestrator) -> None:
    @orchestrator.tools.tool
    def double(n: int) -> int:
        """Double a number."""
        return 2 * n

    tasks = [
        {"id": "a", "type": "tool_call", "payload": {"tool_name": "double", "tool_input": {"n": 1}}},
        {
            "id": "b",
            "type": "tool_call",
            "payload": {"tool_name": "double", "tool_input": {"n": "{a}"}},
            "depends_on": ["a"],
        },
    ]
    result = await run(orchestrator, Task(type=TaskType.PARALLEL_BATCH, payload={"tasks": tasks}))
    assert result.success, result.error
    assert [each["data"] for each in result.data] == [2, 4]


async def test_a_worker_of_ones_own_serves_custom_tasks(orchestrator: UnifiedOrchestrator) -> None:
    worker = Scripted()
    assert await orchestrator.worker_registry.register(worker)
    assert worker.status is WorkerStatus.IDLE
    result = await soon(orchestrator.submit_task(Task(type="custom", payload={"data": 1}), wait=True))
    assert isinstance(result, TaskResult)
    assert (result.data, result.worker_id) == (1, worker.worker_id)


async def test_its_parts_can_be_read(orchestrator: UnifiedOrchestrator) -> None:
    await orchestrator.worker_registry.register(Scripted())
    task = Task()
    await run(orchestrator, task)
    status = orchestrator.get_status()
    assert status["is_running"] is orchestrator.is_running is True
    assert status["metrics"] == orchestrator.metrics
    assert status["resources"]
    assert (orchestrator.scheduler.queued_tasks, orchestrator.scheduler.active_tasks) == (0, 0)
    (shown,) = orchestrator.get_task_history(status_filter=TaskStatus.COMPLETED)
    assert shown["id"] == task.id


async def test_a_registered_provider_answers_at_once(orchestrator: UnifiedOrchestrator, provider_url: str) -> None:
    worker_id = await soon(orchestrator.register_llm_api("anthropic", KEY, base_url=provider_url, default_model="m"))
    result = await soon(orchestrator.execute_llm_request("hello", prefer_ollama=False))
    assert result.success, result.error
    assert result.worker_id == worker_id


async def test_the_same_credential_again_updates_its_worker_and_another_key_is_another(
    orchestrator: UnifiedOrchestrator, provider_url: str
) -> None:
    first = await soon(orchestrator.register_llm_api("anthropic", KEY, 5, base_url=provider_url, default_model="m"))
    await soon(orchestrator.execute_llm_request("hello"))
    again = await soon(orchestrator.register_llm_api("anthropic", KEY, 7, base_url=provider_url, default_model="m"))
    other = await soon(orchestrator.register_llm_api("anthropic", KEY + "2", base_url=provider_url))
    assert again == first != other
    shown = orchestrator.worker_registry.require(first).to_dict()
    assert shown["rate_limit_per_minute"] == 7
    assert shown["total_tokens_used"] > 0


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("api_type", {"api_type": "cohere"}),
        ("api_key", {"api_key": ""}),
        ("rate_limit_per_minute", {"rate_limit_per_minute": 0}),
        ("cost_per_1k_tokens", {"cost_per_1k_tokens": -1}),
        ("base_url", {"base_url": f"http://user:{KEY}@127.0.0.1:9"}),
    ],
)
async def test_what_cannot_be_registered_is_refused_by_name(
    orchestrator: UnifiedOrchestrator, field: str, arguments: dict[str, Any]
) -> None:
    before = orchestrator.worker_registry.get_all_workers()
    given: dict[str, Any] = {"api_type": "openai", "api_key": KEY, **arguments}
    with pytest.raises(InvalidValue) as caught:
        await orchestrator.register_llm_api(**given)
    assert caught.value.field == field
    assert KEY not in str(caught.value)
    assert orchestrator.worker_registry.get_all_workers() == before


async def test_an_unregistered_provider_is_gone(orchestrator: UnifiedOrchestrator, provider_url: str) -> None:
    worker_id = await soon(orchestrator.register_llm_api("gemini", KEY, base_url=provider_url))
    assert await soon(orchestrator.unregister_llm_api(worker_id)) is True
    assert orchestrator.worker_registry.get_worker(worker_id) is None
    assert await soon(orchestrator.unregister_llm_api(worker_id)) is False


async def test_only_llm_apis_are_unregistered_as_such(orchestrator: UnifiedOrchestrator) -> None:
    worker = Scripted()
    await orchestrator.worker_registry.register(worker)
    with pytest.raises(InvalidValue, match="worker_id"):
        await orchestrator.unregister_llm_api(worker.worker_id)
    assert orchestrator.worker_registry.get_worker(worker.worker_id) is worker


async def test_keys_of_the_environment_become_workers(
    config: OrchestratorConfig, provider_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider_url)
    async with UnifiedOrchestrator(config) as started:
        task = Task(type=TaskType.LLM_REQUEST, payload={"prompt": "hello", "model": "m"})
        result = await run(started, task)
    assert result.success, result.error
    assert result.metrics["api_type"] == "anthropic"


async def test_keys_of_the_environment_can_be_left_alone(
    config: OrchestratorConfig, provider_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", provider_url)
    kinds = [
        {worker.to_dict().get("api_type") for worker in made.worker_registry.get_all_workers()}
        for made in (
            UnifiedOrchestrator(config),
            UnifiedOrchestrator(config.model_copy(update={"llm_keys_from_environment": False})),
        )
    ]
    assert ["openai" in found for found in kinds] == [True, False]


async def test_a_key_of_the_environment_that_cannot_be_one_is_told_and_not_shown(
    config: OrchestratorConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY} and more")
    made = UnifiedOrchestrator(config)
    assert "openai" not in {worker.to_dict().get("api_type") for worker in made.worker_registry.get_all_workers()}
    assert "openai" in caplog.text
    assert KEY not in caplog.text


async def test_each_named_ollama_server_is_a_worker_and_the_settings_choose_the_strategy(
    config: OrchestratorConfig,
) -> None:
    hosts = ["http://127.0.0.1:7", "http://127.0.0.1:9"]
    made = UnifiedOrchestrator(config.model_copy(update={"ollama_hosts": hosts, "routing": RoutingStrategy.LATENCY}))
    urls = [worker.to_dict().get("ollama_url") for worker in made.worker_registry.get_all_workers()]
    assert sorted(filter(None, urls)) == sorted(hosts)
    assert made.router.strategy is RoutingStrategy.LATENCY
