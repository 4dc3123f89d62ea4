"""What users write first for language models, with the simulator in Ollama's place."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from BackgroundCognition.orchestrator import (
    APIQuota,
    LLMAPIWorker,
    OrchestratorConfig,
    Task,
    TaskResult,
    TaskType,
    UnifiedOrchestrator,
    WorkerStatus,
)
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm.kinds import ADDRESSES

TOPICS = ["AI", "ML", "NLP", "CV"]
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@pytest.fixture(scope="module")
def simulating() -> Generator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def simulator(simulating: Running) -> Simulator:
    simulating.simulator.forget()
    return simulating.simulator


@pytest_asyncio.fixture
async def orchestrator(
    simulating: Running, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[UnifiedOrchestrator]:
    """An orchestrator as a user sets it up; keys of the machine and the providers' own addresses are out of reach."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(ADDRESSES, "openai", f"{simulating.url}/v1")  # type: ignore[arg-type]
    monkeypatch.setitem(ADDRESSES, "anthropic", simulating.url)  # type: ignore[arg-type]
    config = OrchestratorConfig(
        max_concurrent_tasks=10,
        docker_pool_size=0,
        ollama_url=simulating.url,
        home=tmp_path,
        prefect="off",
        freeze_garbage=False,
    )
    async with UnifiedOrchestrator(config) as started:
        yield started


async def test_quick_start(orchestrator: UnifiedOrchestrator) -> None:
    result = await orchestrator.execute_llm_request(
        prompt="What is the capital of France?",
        prefer_ollama=True,
    )
    assert result.success, result.error
    assert result.data == "[simulated] What is the capital of France?"
    assert (result.metrics["api_type"], result.metrics["cost_usd"]) == ("ollama", 0)
    assert result.metrics["tokens_used"] > 0


async def test_parallel_prompts(orchestrator: UnifiedOrchestrator) -> None:
    tasks = [Task(type=TaskType.LLM_REQUEST, payload={"prompt": f"Explain {topic}"}) for topic in TOPICS]
    results = await orchestrator.submit_batch(tasks, execute_parallel=True, wait=True)
    assert not isinstance(results, str)
    assert [result.data for result in results] == [f"[simulated] Explain {topic}" for topic in TOPICS]


async def test_a_summary_gets_the_story_that_it_depends_on(
    orchestrator: UnifiedOrchestrator, simulator: Simulator
) -> None:
    task1 = Task(id="task-1", type=TaskType.LLM_REQUEST, payload={"prompt": "Generate a story"})
    task2 = Task(
        id="task-2", type=TaskType.LLM_REQUEST, payload={"prompt": "Summarize: {task-1}"}, depends_on=["task-1"]
    )
    results = await orchestrator.submit_batch([task1, task2], wait=True)
    assert not isinstance(results, str)
    assert [result.success for result in results] == [True, True]
    asked = [seen.body["messages"][-1]["content"] for seen in simulator.seen if seen.path == "/api/chat"]
    assert asked == ["Generate a story", f"Summarize: {results[0].data}"]


async def test_cloud_keys_are_registered_and_their_workers_take_tasks(
    orchestrator: UnifiedOrchestrator, simulator: Simulator
) -> None:
    await orchestrator.register_llm_api(
        api_type="openai",
        api_key="sk-...",
        rate_limit_per_minute=60,
        cost_per_1k_tokens=0.002,
        quota=APIQuota(
            requests_per_day=10000,
            cost_limit_per_day=10.0,
        ),
    )
    await orchestrator.register_llm_api(
        api_type="anthropic",
        api_key="sk-ant-...",
        rate_limit_per_minute=50,
        cost_per_1k_tokens=0.008,
    )
    workers = [one for one in orchestrator.worker_registry.get_all_workers() if isinstance(one, LLMAPIWorker)]
    assert [(one.api_type, one.status, one.rate_limit_per_minute) for one in workers] == [
        ("openai", WorkerStatus.IDLE, 60),
        ("anthropic", WorkerStatus.IDLE, 50),
    ]
    for model, api_type, price in (("gpt-5.4-mini", "openai", 0.002), ("claude-haiku-4-5", "anthropic", 0.008)):
        result = await _asked(orchestrator, model)
        assert result.metrics["api_type"] == api_type
        assert result.metrics["cost_usd"] == pytest.approx(result.metrics["tokens_used"] / 1000 * price)
    assert {seen.shape for seen in simulator.seen if seen.body} == {"openai", "anthropic"}


async def _asked(orchestrator: UnifiedOrchestrator, model: str) -> TaskResult:
    result = await orchestrator.execute_llm_request(prompt="hi", model=model, prefer_ollama=True)
    assert result.success, result.error
    return result
