"""How long a task may take and wait, and what it says meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, needs, run, soon, until
from vera_orchestrator.enums import TaskStatus, TaskType, WorkerStatus
from vera_orchestrator.errors import NotFound, WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult, utcnow


async def test_an_attempt_that_takes_longer_than_its_timeout_is_ended(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task(timeout_seconds=0.01, max_retries=1, retry_delay_seconds=0.001)
    result = await run(orchestrator, task)
    assert (result.success, result.error_type) == (False, "TaskTimeout")
    assert result.error is not None and "longer than 0.01 s" in result.error
    assert len(gate.ran) == 2
    assert gate.at_once == 0
    assert [one.id for one in await orchestrator.failed_tasks()] == [task.id]


@pytest.mark.parametrize("where", ["settings", "worker", "requirements"])
async def test_the_least_of_the_limits_of_an_attempt_holds(make: Make, where: str) -> None:
    gate = Gate(timeout_seconds=0.01 if where == "worker" else 300)
    orchestrator = await make(gate, task_timeout_seconds=0.01 if where == "settings" else 300)
    requirements = needs(max_runtime_seconds=0.01 if where == "requirements" else 300)
    result = await run(orchestrator, Task(max_retries=0, requirements=requirements))
    assert result.error_type == "TaskTimeout"


async def test_a_timeout_that_the_worker_itself_ran_into_is_a_failure_like_any_other(make: Make) -> None:
    async def slow_server(task: Task) -> TaskResult:
        raise TimeoutError("the server is slow")

    result = await run(await make(Failing(fail=slow_server)), Task(max_retries=0))
    assert result.error_type == "TaskFailed"
    assert result.error is not None and "the server is slow" in result.error


async def test_a_task_that_waits_longer_than_it_may_ends_without_having_run(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="holder"))
    await gate.next()
    result = await run(orchestrator, Task(max_wait_seconds=0.01))
    assert (result.success, result.error_type) == (False, "TaskExpired")
    assert gate.ran == ["holder"]


async def test_a_task_that_runs_in_time_may_take_longer_than_it_may_wait(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task(max_wait_seconds=0.5)
    await orchestrator.submit_task(task)
    await gate.next()
    entry = orchestrator._parts.live.find(task.id)  # pyright: ignore[reportPrivateUsage]
    assert entry is not None
    await until(lambda: entry.expired)
    gate.open()
    assert (await soon(orchestrator.wait_for(task.id))).success


async def test_a_task_that_expired_before_it_was_submitted_does_not_run(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    result = await run(orchestrator, Task(expires_at=utcnow() - timedelta(seconds=1)))
    assert result.error_type == "TaskExpired"
    assert worker.ran == []


async def test_a_task_does_not_start_before_its_time(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    task = Task(scheduled_at=utcnow() + timedelta(seconds=0.05))
    await orchestrator.submit_task(task)
    assert worker.ran == []
    assert (await soon(orchestrator.wait_for(task.id))).success
    assert task.started_at is not None and task.scheduled_at is not None
    assert task.started_at >= task.scheduled_at


async def test_a_scheduled_task_begins_to_wait_at_its_time(make: Make) -> None:
    orchestrator = await make(Scripted())
    task = Task(scheduled_at=utcnow() + timedelta(seconds=0.05), max_wait_seconds=0.02)
    assert (await run(orchestrator, task)).success


async def test_a_task_whose_time_has_passed_starts_at_once(make: Make) -> None:
    assert (await run(await make(Scripted()), Task(scheduled_at=utcnow() - timedelta(days=1)))).success


async def test_a_task_that_nobody_can_run_fails_at_once_and_says_what_to_do(make: Make) -> None:
    orchestrator = await make(Scripted())
    result = await run(orchestrator, Task(type=TaskType.LLM_REQUEST, payload={"prompt": "hello"}))
    assert (result.success, result.error_type) == (False, "NoWorker")
    assert result.error is not None
    assert "llm_inference" in result.error
    assert "register_llm_api" in result.error


async def test_a_task_for_one_worker_that_there_is_not_fails_though_others_could_run_it(make: Make) -> None:
    worker = Scripted()
    result = await run(await make(worker), Task(requirements=needs(worker_id="ghost")))
    assert result.error_type == "NoWorker"
    assert result.error is not None and "ghost" in result.error
    assert worker.ran == []


async def test_a_task_for_one_worker_runs_there_though_others_have_less_to_do(make: Make) -> None:
    busy, idle = Scripted(worker_id="z"), Scripted(worker_id="a")
    await run(await make(busy, idle), Task(id="t", requirements=needs(worker_id="z")))
    assert (busy.ran, idle.ran) == (["t"], [])


async def test_while_all_are_busy_a_task_waits_and_says_for_what(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task())
    await gate.next()
    waiting = Task()
    await orchestrator.submit_task(waiting)
    await until(lambda: waiting.status is TaskStatus.WAITING_RESOURCES)
    seen = await orchestrator.get_task(waiting.id)
    assert seen is not None
    assert (seen.status, seen.status_reason) == (TaskStatus.WAITING_RESOURCES, "gate is busy")
    gate.open()
    assert (await soon(orchestrator.wait_for(waiting.id))).success
    assert waiting.status_reason is None


async def test_a_task_waits_for_a_worker_that_is_away_for_a_moment(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    worker.status = WorkerStatus.ERROR
    task = Task()
    await orchestrator.submit_task(task)
    await until(lambda: task.status is TaskStatus.WAITING_RESOURCES)
    worker.status = WorkerStatus.IDLE
    orchestrator.worker_registry.changed()
    assert (await soon(orchestrator.wait_for(task.id))).success


async def test_a_task_whose_workers_stay_away_fails_and_can_be_put_back(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker, unavailable_wait_seconds=0.01)
    worker.status, worker.status_reason = WorkerStatus.ERROR, "the node is down"
    task = Task(id="t")
    result = await run(orchestrator, task)
    assert (result.error_type, result.retryable, task.retry_count) == ("WorkerUnavailable", True, 0)
    assert result.error is not None and "the node is down" in result.error
    assert [one.id for one in await orchestrator.failed_tasks()] == ["t"]
    worker.status = WorkerStatus.IDLE
    assert await orchestrator.retry_tasks(["t"]) == ["t"]
    assert (await soon(orchestrator.wait_for("t"))).success


async def test_attempts_that_never_reached_a_worker_use_up_no_retry(make: Make) -> None:
    async def away(task: Task) -> TaskResult:
        raise WorkerUnavailable("nobody answers", retry_after=0.0)

    worker = Failing(times=4, fail=away, slots=1)
    orchestrator = await make(worker)
    task = Task(max_retries=0)
    assert (await run(orchestrator, task)).success
    assert (worker.attempts[task.id], task.retry_count) == (5, 0)


async def test_an_overloaded_worker_is_waited_for_however_long_that_takes(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker, unavailable_wait_seconds=0)
    worker.status = WorkerStatus.OVERLOADED
    task = Task()
    await orchestrator.submit_task(task)
    await until(lambda: task.status is TaskStatus.WAITING_RESOURCES)
    worker.status = WorkerStatus.IDLE
    orchestrator.worker_registry.changed()
    assert (await soon(orchestrator.wait_for(task.id))).success


async def test_a_worker_that_comes_later_takes_what_waits_for_busy_ones(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task())
    await gate.next()
    waiting = Task()
    await orchestrator.submit_task(waiting)
    await until(lambda: waiting.status is TaskStatus.WAITING_RESOURCES)
    assert await orchestrator.worker_registry.register(Scripted(worker_id="late"))
    assert (await soon(orchestrator.wait_for(waiting.id))).worker_id == "late"


async def test_waiting_for_a_result_can_be_given_up_without_harm(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="t"))
    await gate.next()
    with pytest.raises(TimeoutError):
        await orchestrator.wait_for("t", timeout=0.001)
    waiter = asyncio.create_task(orchestrator.wait_for("t"))
    gate.open()
    assert (await soon(waiter)).success
    assert (await orchestrator.wait_for("t")).success


async def test_waiting_for_an_unknown_task_is_refused(make: Make) -> None:
    orchestrator = await make()
    with pytest.raises(NotFound, match="'ghost'"):
        await orchestrator.wait_for("ghost")
    with pytest.raises(NotFound, match="'ghost'"):
        await orchestrator.cancel_task("ghost")
    assert await orchestrator.get_task("ghost") is None


async def test_a_cancelled_task_that_waits_never_runs(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="holder"))
    await gate.next()
    task = Task()
    await orchestrator.submit_task(task)
    assert await orchestrator.cancel_task(task.id)
    result = await soon(orchestrator.wait_for(task.id))
    assert (result.success, result.error_type) == (False, "TaskCancelled")
    assert task.status is TaskStatus.CANCELLED
    gate.open()
    await soon(orchestrator.wait_for("holder"))
    assert gate.ran == ["holder"]


async def test_a_cancelled_task_that_runs_is_broken_off(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task()
    await orchestrator.submit_task(task)
    await gate.next()
    assert await orchestrator.cancel_task(task.id)
    assert (await soon(orchestrator.wait_for(task.id))).error_type == "TaskCancelled"
    assert gate.at_once == 0
    assert not await orchestrator.cancel_task(task.id)
    seen = await orchestrator.get_task(task.id)
    assert seen is not None and seen.status is TaskStatus.CANCELLED


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("concurrency_key", [None, "k"])
async def test_a_task_can_be_cancelled_at_any_moment(make: Make, turns: int, concurrency_key: str | None) -> None:
    orchestrator = await make(Gate())
    task = Task(concurrency_key=concurrency_key)
    await orchestrator.submit_task(task)
    for _ in range(turns):
        await asyncio.sleep(0)
    assert await orchestrator.cancel_task(task.id)
    assert (await soon(orchestrator.wait_for(task.id))).error_type == "TaskCancelled"
    assert orchestrator.metrics["active_tasks"] == 0
