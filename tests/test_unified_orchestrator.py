"""The orchestrator with all that the specification names, without Prefect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

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


@pytest.fixture
async def orchestrator(tmp_path: Path) -> AsyncIterator[UnifiedOrchestrator]:
    config = OrchestratorConfig(
        home=tmp_path / "state", prefect="off", ollama_url="http://127.0.0.1:9", docker_pool_size=0, drain_seconds=0
    )
    async with UnifiedOrchestrator(config) as started:
        yield started


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
