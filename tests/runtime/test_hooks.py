"""Who is told what, and in which order."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, echo, run, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import TaskFailed, VeraError
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime import hooks
from vera_orchestrator.runtime.orchestrator import Orchestrator


class Told:
    """Notes calls, as plain functions or as coroutines."""

    def __init__(self, kind: str) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._kind = kind

    def __call__(self, name: str) -> Any:
        def note(*arguments: Any) -> None:
            self.calls.append((name, arguments))

        async def note_later(*arguments: Any) -> None:
            await asyncio.sleep(0)
            note(*arguments)

        return note if self._kind == "sync" else note_later

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture(params=["sync", "async"])
def told(request: pytest.FixtureRequest) -> Told:
    return Told(request.param)


async def test_success_is_told_to_the_orchestrators_hook_and_then_to_the_tasks(make: Make, told: Told) -> None:
    orchestrator = await make(Scripted())
    orchestrator.on_task_complete, orchestrator.on_task_failed = told("complete"), told("failed")
    task = Task(payload={"data": 3}, on_complete=told("on_complete"), on_error=told("on_error"))
    result = await run(orchestrator, task)
    assert told.calls == [("complete", (task, result)), ("on_complete", (result,))]


async def test_failure_is_told_once_after_the_last_attempt(make: Make, told: Told) -> None:
    orchestrator = await make(Failing())
    orchestrator.on_task_complete, orchestrator.on_task_failed = told("complete"), told("failed")
    task = Task(max_retries=2, retry_delay_seconds=0.001, on_complete=told("on_complete"), on_error=told("on_error"))
    await run(orchestrator, task)
    assert told.names == ["failed", "on_error"]
    seen, error = told.calls[0][1]
    assert seen is task
    assert isinstance(error, TaskFailed)
    assert "boom" in str(error)


async def test_a_cancellation_is_told_as_an_error(make: Make, told: Told) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task(on_error=told("on_error"))
    await orchestrator.submit_task(task)
    await gate.next()
    await orchestrator.cancel_task(task.id)
    await soon(orchestrator.wait_for(task.id))
    ((_, (error,)),) = told.calls
    assert isinstance(error, VeraError)
    assert error.task_status is TaskStatus.CANCELLED


def broken(*_: object) -> None:
    raise RuntimeError("a broken hook")


async def broken_later(*_: object) -> None:
    raise RuntimeError("a broken hook")


async def interrupted(*_: object) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("hook", [broken, broken_later, interrupted, "not even a function"])
async def test_a_broken_hook_harms_nobody(make: Make, hook: Any, caplog: pytest.LogCaptureFixture) -> None:
    orchestrator = await make(Scripted())
    orchestrator.on_task_complete = hook
    told: list[TaskResult] = []
    with caplog.at_level(logging.CRITICAL):
        task = Task(on_complete=told.append)
        assert (await run(orchestrator, task)).success
        assert (await run(orchestrator, Task(on_complete=hook))).success
    assert len(told) == 1


async def test_a_broken_hook_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    orchestrator = await make(Scripted())
    await run(orchestrator, Task(on_complete=broken))
    assert "hook broken failed" in caplog.text


async def test_a_slow_hook_does_not_hold_up_those_who_wait_for_ever(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PATIENCE_SECONDS", 0.01)
    go_on = asyncio.Event()
    ended: list[str] = []

    async def slow(result: TaskResult) -> None:
        await go_on.wait()
        ended.append("slow")

    orchestrator = await make(Scripted())
    assert (await run(orchestrator, Task(on_complete=slow))).success
    assert not ended
    go_on.set()
    await until(lambda: ended)


async def test_the_end_is_in_the_journal_before_hooks_are_called_and_hooks_before_waiters(
    make_on_disk: Make, tmp_path: Path
) -> None:
    order: list[str] = []

    def status_on_disk(result: TaskResult) -> None:
        with sqlite3.connect(tmp_path / "state" / "journal.db") as connection:
            order.append(connection.execute("select status from tasks").fetchone()[0])
        connection.close()

    orchestrator = await make_on_disk(Scripted())
    await run(orchestrator, Task(on_complete=status_on_disk))
    order.append("waiter")
    assert order == ["completed", "waiter"]


async def test_a_hook_may_submit_further_tasks_and_wait_for_them(make: Make) -> None:
    orchestrator = await make(Scripted(slots=1), max_concurrent_tasks=1)
    results: list[TaskResult] = []

    async def more(result: TaskResult) -> None:
        results.append(await run(orchestrator, Task(payload={"data": "second"})))

    await run(orchestrator, Task(on_complete=more))
    assert [result.data for result in results] == ["second"]


async def test_a_hook_may_stop_the_orchestrator(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PATIENCE_SECONDS", 0.01)
    orchestrator = await make(Scripted())

    async def stop(result: TaskResult) -> None:
        await orchestrator.stop()

    assert (await run(orchestrator, Task(on_complete=stop))).success
    await soon(orchestrator.stop())
    assert not orchestrator.is_running


async def test_the_callers_task_is_kept_current(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task(payload={"data": 1})
    await orchestrator.submit_task(task)
    assert task.submitted_at is not None
    await gate.next()
    assert (task.status, task.result) == (TaskStatus.RUNNING, None)
    assert task.started_at is not None and task.started_at >= task.submitted_at
    gate.open()
    result = await soon(orchestrator.wait_for(task.id))
    assert task.status is TaskStatus.COMPLETED
    assert task.result is not None and task.result.data == result.data == 1
    assert task.completed_at is not None and task.completed_at >= task.started_at


async def test_a_task_that_is_submitted_again_begins_anew(make: Make) -> None:
    orchestrator = await make(Failing(times=2))
    task = Task(max_retries=1, retry_delay_seconds=0.001)
    assert not (await run(orchestrator, task)).success
    assert task.retry_count == 1
    assert (await run(orchestrator, task)).success
    assert (task.retry_count, task.status_reason) == (0, None)


async def test_progress_is_told_to_the_callers_function(make: Make) -> None:
    told: list[float] = []

    async def in_steps(task: Task) -> TaskResult:
        assert task.on_progress is not None
        task.on_progress(0.5)
        return await echo(task)

    orchestrator: Orchestrator = await make(Scripted(in_steps))
    await run(orchestrator, Task(on_progress=told.append))
    await run(orchestrator, Task(on_progress=told.append, payload={"password": "so secret"}))
    assert told == [0.5, 0.5]


async def test_the_metrics_of_a_result_say_who_was_considered(make: Make) -> None:
    gate = Gate(worker_id="busy", slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task())
    await gate.next()
    await orchestrator.worker_registry.register(Scripted(worker_id="free"))
    result = await run(orchestrator, Task())
    assert result.metrics["routing"] == {"worker": "free", "considered": {"busy": "busy", "free": "usable"}}


async def test_counts_add_up(make: Make) -> None:
    async def fail_some(task: Task) -> TaskResult:
        return TaskResult(success="bad" not in task.tags, error="no")

    orchestrator = await make(Scripted(fail_some))
    for tags in ([], [], ["bad"]):
        await run(orchestrator, Task(tags=tags, max_retries=0))
    metrics = orchestrator.metrics
    assert (metrics["tasks_submitted"], metrics["tasks_completed"], metrics["tasks_failed"]) == (3, 2, 1)
    assert (metrics["active_tasks"], metrics["queued_tasks"]) == (0, 0)
    assert metrics["avg_execution_time_ms"] > 0
