"""The worker that runs tools."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotConfigured, NotFound, TaskTimeout, ToolFailed, VeraError
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools import ToolContext, ToolRegistry, register_builtins
from vera_orchestrator.workers.tool_call import ToolCallWorker


@pytest.fixture
def settings(tmp_path: Path) -> OrchestratorConfig:
    return OrchestratorConfig(home=tmp_path / "state", tools_root=tmp_path / "work")


@pytest.fixture
def registry() -> ToolRegistry:
    return ToolRegistry()


@pytest.fixture
async def worker(settings: OrchestratorConfig, registry: ToolRegistry) -> AsyncIterator[ToolCallWorker]:
    worker = ToolCallWorker(settings, registry)
    assert await worker.start()
    yield worker
    assert await worker.stop()


def call(name: str, tool_input: dict[str, Any] | None = None, **fields: Any) -> Task:
    return Task(type=TaskType.TOOL_CALL, payload={"tool_name": name, "tool_input": tool_input or {}}, **fields)


async def test_it_says_what_it_can_do(worker: ToolCallWorker, registry: ToolRegistry) -> None:
    assert worker.worker_id == "tools"
    assert worker.capabilities == {"tool_execution", "file_operations", "web_browsing"}
    assert worker.config.max_concurrent_tasks == 16
    assert worker.is_usable
    registry.tool(name="later")(lambda: 1)
    assert worker.to_dict()["tools"] == ["later"]


async def test_it_can_be_told_otherwise(settings: OrchestratorConfig, registry: ToolRegistry) -> None:
    worker = ToolCallWorker(settings, registry, worker_id="mine", config=WorkerConfig(max_concurrent_tasks=2))
    assert (worker.worker_id, worker.config.max_concurrent_tasks) == ("mine", 2)
    assert not await worker.health_check()
    await worker.start()
    assert await worker.health_check()
    await worker.stop()
    assert worker.status is WorkerStatus.OFFLINE


async def test_what_a_tool_returns_is_the_data(worker: ToolCallWorker, registry: ToolRegistry) -> None:
    registry.tool(name="later")(lambda: {"a": (1, None)})
    result = await worker.execute_task(call("later"))
    assert (result.success, result.data, result.error) == (True, {"a": [1, None]}, None)
    assert result.metrics == {"tool": "later"}
    assert result.worker_id == "tools"
    assert result.execution_time_ms > 0


async def test_the_builtin_tools_work_with_the_workers_own_context(
    worker: ToolCallWorker, registry: ToolRegistry, settings: OrchestratorConfig
) -> None:
    register_builtins(registry)
    await worker.execute_task(call("write_file", {"path": "a", "content": "text"}))
    assert (settings.workspace / "a").read_text() == "text"
    for name, tool_input in (("http_request", {"url": "http://127.0.0.1:9"}), ("read_file", {"path": "/etc/passwd"})):
        with pytest.raises(VeraError) as raised:
            await worker.execute_task(call(name, tool_input))
        assert raised.value.http_status == 403
        assert raised.value.retryable is False


@pytest.mark.parametrize("error", [NotConfigured("no"), InvalidPayload("no"), TaskTimeout("late")])
async def test_errors_of_the_project_pass_through(
    worker: ToolCallWorker, registry: ToolRegistry, error: VeraError
) -> None:
    async def fail() -> None:
        raise error

    registry.tool(fail)
    with pytest.raises(type(error)) as raised:
        await worker.execute_task(call("fail"))
    assert raised.value is error


async def test_an_unknown_tool_or_argument_is_not_tried_again(worker: ToolCallWorker, registry: ToolRegistry) -> None:
    registry.tool(name="known")(lambda: 1)
    with pytest.raises(NotFound) as unknown:
        await worker.execute_task(call("knwon"))
    with pytest.raises(InvalidPayload) as wrong:
        await worker.execute_task(call("known", {"x": 1}))
    assert not unknown.value.retryable
    assert not wrong.value.retryable


async def test_another_exception_is_an_unsuccessful_result_that_names_it(
    worker: ToolCallWorker, registry: ToolRegistry
) -> None:
    @registry.tool
    def fail() -> None:
        raise KeyError("city")

    result = await worker.execute_task(call("fail"))
    assert (result.success, result.error, result.error_type) == (False, "KeyError: 'city'", "KeyError")
    assert result.retryable is True
    assert result.metrics == {"tool": "fail"}


async def test_a_tool_that_says_it_failed_keeps_its_data_and_is_not_tried_again(
    worker: ToolCallWorker, registry: ToolRegistry
) -> None:
    @registry.tool
    def fail() -> None:
        raise ToolFailed("exit code 1.", data={"stdout": "so far"})

    result = await worker.execute_task(call("fail"))
    assert (result.success, result.data, result.error) == (False, {"stdout": "so far"}, "exit code 1.")
    assert result.error_type == "ToolFailed"
    assert result.retryable is False


@pytest.mark.parametrize("is_async", [False, True])
async def test_progress_reaches_the_tasks_hook_on_the_loop(
    worker: ToolCallWorker, registry: ToolRegistry, is_async: bool
) -> None:
    heard: asyncio.Queue[tuple[float, bool]] = asyncio.Queue()
    here = threading.get_ident()

    def hook(fraction: float) -> None:
        heard.put_nowait((fraction, threading.get_ident() == here))

    async def async_hook(fraction: float) -> None:
        hook(fraction)

    @registry.tool
    def work(context: ToolContext) -> None:
        for fraction in (-1.0, 0.5, 7.0):
            context.report(fraction)

    async with asyncio.timeout(30):
        await worker.execute_task(call("work", on_progress=async_hook if is_async else hook))
        assert [await heard.get() for _ in range(3)] == [(0.0, True), (0.5, True), (1.0, True)]
    await worker.execute_task(call("work"))  # nobody listens


async def test_cancellation_ends_an_asynchronous_tool(worker: ToolCallWorker, registry: ToolRegistry) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    @registry.tool
    async def wait() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running: asyncio.Task[TaskResult] = asyncio.create_task(worker.execute_task(call("wait")))
    async with asyncio.timeout(30):
        await entered.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert ended.is_set()
