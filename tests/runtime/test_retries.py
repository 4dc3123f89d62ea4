"""What follows a failed attempt."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, run, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import NotFound, ToolFailed
from vera_orchestrator.models import Task, TaskResult


async def unsuccessful(task: Task) -> TaskResult:
    return TaskResult(success=False, error=f"no luck with {task.id}", data={"seen": 1})


async def hopeless(task: Task) -> TaskResult:
    return TaskResult(success=False, error="bad input", error_type="BadInput", retryable=False)


async def of_ours(task: Task) -> TaskResult:
    raise ToolFailed("the tool says no")


@pytest.mark.parametrize("fail", [None, unsuccessful], ids=["exception", "success=False"])
async def test_a_failed_attempt_is_repeated_until_one_succeeds(make: Make, fail: None) -> None:
    worker = Failing(times=2, fail=fail)
    orchestrator = await make(worker)
    task = Task(payload={"data": "done"}, retry_delay_seconds=0.001)
    result = await run(orchestrator, task)
    assert (result.success, result.data) == (True, "done")
    assert worker.attempts[task.id] == 3
    assert task.retry_count == 2
    seen = await orchestrator.get_task(task.id)
    assert seen is not None and seen.retry_count == 2 and seen.status is TaskStatus.COMPLETED


@pytest.mark.parametrize("fail", [None, unsuccessful], ids=["exception", "success=False"])
async def test_a_task_fails_once_its_retries_are_used_up(make: Make, fail: None) -> None:
    worker = Failing(fail=fail)
    orchestrator = await make(worker)
    task = Task(id="t", max_retries=2, retry_delay_seconds=0.001)
    result = await run(orchestrator, task)
    assert not result.success
    assert result.error is not None and "t" in result.error
    assert worker.attempts["t"] == 3
    assert (task.status, task.retry_count) == (TaskStatus.FAILED, 2)
    assert [one.id for one in await orchestrator.failed_tasks()] == ["t"]


@pytest.mark.parametrize("fail", [hopeless, of_ours])
async def test_a_failure_that_says_so_is_not_repeated(make: Make, fail: None) -> None:
    worker = Failing(fail=fail)
    orchestrator = await make(worker)
    task = Task(retry_delay_seconds=0.001)
    assert not (await run(orchestrator, task)).success
    assert worker.attempts[task.id] == 1
    assert await orchestrator.failed_tasks() == []


async def test_with_max_retries_of_0_there_is_one_attempt(make: Make) -> None:
    worker = Failing()
    orchestrator = await make(worker)
    task = Task(max_retries=0)
    assert not (await run(orchestrator, task)).success
    assert worker.attempts[task.id] == 1


async def test_what_a_worker_says_of_its_failure_is_kept(make: Make) -> None:
    orchestrator = await make(Failing(fail=hopeless))
    result = await run(orchestrator, Task())
    assert (result.error, result.error_type, result.retryable) == ("bad input", "BadInput", False)


async def test_the_data_of_an_unsuccessful_result_is_kept(make: Make) -> None:
    orchestrator = await make(Failing(fail=unsuccessful))
    assert (await run(orchestrator, Task(max_retries=0))).data == {"seen": 1}


async def test_a_retry_prefers_another_worker(make: Make) -> None:
    bad, good = Failing(worker_id="a-bad"), Scripted(worker_id="b-good")
    orchestrator = await make(bad, good)
    task = Task(id="t", retry_delay_seconds=0.001)
    result = await run(orchestrator, task)
    assert (result.success, result.worker_id) == (True, "b-good")
    assert (bad.ran, good.ran) == (["t"], ["t"])


async def test_while_a_task_waits_for_its_retry_it_holds_no_slot(make: Make) -> None:
    async def fail_the_first(task: Task) -> TaskResult:
        return TaskResult(success=task.id != "bad", error="no")

    worker = Scripted(fail_the_first, slots=1)
    orchestrator = await make(worker)
    await orchestrator.submit_task(Task(id="bad", retry_delay_seconds=3_000, max_retries=1))
    assert (await run(orchestrator, Task(id="good"))).success
    seen = await orchestrator.get_task("bad")
    assert seen is not None and seen.status is TaskStatus.QUEUED
    assert seen.status_reason is not None and seen.status_reason.startswith("again in")
    assert await orchestrator.cancel_task("bad")
    assert not (await soon(orchestrator.wait_for("bad"))).success


async def test_exhausted_tasks_can_be_put_back_and_then_succeed(make: Make) -> None:
    worker = Failing(times=2)
    orchestrator = await make(worker)
    task = Task(id="t", max_retries=1, retry_delay_seconds=0.001, payload={"data": 7})
    assert not (await run(orchestrator, task)).success
    assert await orchestrator.retry_tasks(["t"]) == ["t"]
    result = await soon(orchestrator.wait_for("t"))
    assert (result.success, result.data) == (True, 7)
    assert await orchestrator.failed_tasks() == []
    seen = await orchestrator.get_task("t")
    assert seen is not None and seen.retry_count == 0


async def test_nothing_is_put_back_where_one_id_is_unknown(make: Make) -> None:
    worker = Failing()
    orchestrator = await make(worker)
    await run(orchestrator, Task(id="t", max_retries=0))
    with pytest.raises(NotFound, match="'ghost'"):
        await orchestrator.retry_tasks(["t", "ghost"])
    assert [one.id for one in await orchestrator.failed_tasks()] == ["t"]


async def test_a_worker_that_is_cancelled_from_within_has_failed(make: Make) -> None:
    async def cancelled_inside(task: Task) -> TaskResult:
        raise asyncio.CancelledError

    worker = Failing(times=1, fail=cancelled_inside)
    orchestrator = await make(worker)
    task = Task(payload={"data": 1}, retry_delay_seconds=0.001)
    assert (await run(orchestrator, task)).data == 1
    assert worker.attempts[task.id] == 2


async def test_a_task_that_is_cancelled_while_it_waits_for_its_retry_ends_once(make: Make) -> None:
    gate = Gate("other", ["other"])
    orchestrator = await make(Failing(), gate)
    ended: list[str] = []
    task = Task(retry_delay_seconds=3_000, on_error=lambda error: ended.append(type(error).__name__))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    await orchestrator.submit_task(task)
    await until(lambda: task.retry_count == 1)
    assert await orchestrator.cancel_task(task.id)
    await soon(orchestrator.wait_for(task.id))
    assert ended == ["TaskCancelled"]
    assert not await orchestrator.cancel_task(task.id)
