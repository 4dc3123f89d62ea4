"""Start and stop, and what becomes of tasks between them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, Settable, echo, orchestrator, run, run_batch, settings, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import JournalUnavailable, OrchestratorStopped
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime import draining
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker


async def test_a_second_start_and_a_second_stop_do_nothing(make: Make) -> None:
    worker = Scripted()
    one = await make(worker)
    await soon(one.start())
    assert worker.starts == 1
    await soon(one.stop())
    await soon(one.stop())
    assert not one.is_running
    assert worker.status is WorkerStatus.OFFLINE


async def test_starting_and_stopping_at_once_does_no_harm(make: Make) -> None:
    one = await make(Scripted())
    await soon(asyncio.gather(one.stop(), one.start(), one.stop(), one.start()))
    assert one.is_running
    assert (await run(one, Task())).success


async def test_it_can_be_used_as_a_context(tmp_path: Any) -> None:
    async with orchestrator(tmp_path, Scripted(), database_url="memory://") as one:
        assert (await run(one, Task())).success
    assert not one.is_running


async def test_a_stopped_one_can_be_started_again_and_knows_what_was(make: Make) -> None:
    worker = Scripted()
    one = await make(worker)
    await run(one, Task(id="before", payload={"data": 1}))
    await soon(one.stop())
    await soon(one.start())
    assert (worker.starts, worker.status) == (2, WorkerStatus.IDLE)
    assert (await one.wait_for("before")).data == 1
    assert (await run(one, Task())).success


async def test_submitting_to_a_stopped_one_starts_it(make: Make) -> None:
    one = await make(Scripted())
    await soon(one.stop())
    assert (await run(one, Task())).success
    assert one.is_running


async def test_submitting_to_a_stopped_one_is_refused_if_it_may_not_start_itself(make: Make) -> None:
    one = await make(Scripted(), auto_start=False)
    await soon(one.stop())
    with pytest.raises(OrchestratorStopped, match="start"):
        await one.submit_task(Task())


async def test_stop_waits_for_running_tasks(make: Make) -> None:
    gate = Gate()
    one = await make(gate, drain_seconds=60)
    task = Task(payload={"data": 1})
    await one.submit_task(task)
    await gate.next()
    stopping = asyncio.create_task(one.stop())
    await until(lambda: not one.is_running)
    gate.open()
    await soon(stopping)
    assert task.status is TaskStatus.COMPLETED
    assert task.result is not None and task.result.data == 1


async def test_nothing_new_starts_while_it_is_stopping(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate, drain_seconds=60)
    await one.submit_batch([Task(id="a"), Task(id="b")])
    await gate.next()
    stopping = asyncio.create_task(one.stop())
    await until(lambda: not one.is_running)
    with pytest.raises(OrchestratorStopped):
        await one.submit_task(Task())
    gate.open()
    await soon(stopping)
    assert gate.ran == ["a"]
    await soon(one.start())
    assert (await soon(one.wait_for("b"))).success
    assert gate.ran == ["a", "b"]


async def test_a_running_task_that_stop_does_not_wait_for_runs_again_with_its_retries(make: Make) -> None:
    gate = Gate()
    one = await make(gate)
    await one.submit_task(Task(id="t", payload={"data": 1}, max_retries=1))
    for _ in range(3):
        await gate.next()
        await soon(one.stop())
        assert gate.at_once == 0
        await soon(one.start())
    gate.open()
    result = await soon(one.wait_for("t"))
    assert (result.success, result.data) == (True, 1)
    assert gate.ran == ["t"] * 4
    seen = await one.get_task("t")
    assert seen is not None and seen.retry_count == 0


async def test_a_running_task_that_may_not_run_twice_fails_as_interrupted_after_the_next_start(make: Make) -> None:
    gate = Gate()
    one = await make(gate)
    await one.submit_task(Task(id="t", max_retries=0))
    await gate.next()
    await soon(one.stop())
    await soon(one.start())
    result = await soon(one.wait_for("t"))
    assert (result.success, result.error_type) == (False, "TaskInterrupted")
    assert gate.ran == ["t"]


async def test_a_waiting_task_that_may_not_run_twice_runs_after_the_next_start(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate)
    await one.submit_task(Task(id="holder"))
    await gate.next()
    await one.submit_task(Task(id="t", max_retries=0))
    await soon(one.stop())
    gate.open()
    await soon(one.start())
    assert (await soon(one.wait_for("t"))).success


async def test_who_waits_when_it_stops_is_told_so_and_the_task_is_kept(make: Make) -> None:
    gate = Gate()
    one = await make(gate)
    waiters = [
        asyncio.create_task(one.submit_task(Task(id="t"), wait=True)),
        asyncio.create_task(one.submit_batch([Task(id="a"), Task(id="b", depends_on=["a"])], wait=True)),
    ]
    await gate.next()
    await gate.next()
    waiters.append(asyncio.create_task(one.wait_for("t")))
    await asyncio.sleep(0)
    await soon(one.stop())
    for waiter in waiters:
        with pytest.raises(OrchestratorStopped, match="the task is kept"):
            await soon(waiter)
    gate.open()
    await soon(one.start())
    for name in ("t", "a", "b"):
        assert (await soon(one.wait_for(name))).success


async def test_a_batch_goes_on_after_the_next_start_with_its_results_so_far(make: Make) -> None:
    gate = Gate()
    gate.open()
    one = await make(gate)

    async def stop_after_first(task: Task) -> TaskResult:
        if task.id == "b":
            stopping.append(asyncio.create_task(one.stop()))
            await asyncio.Event().wait()
        return await echo(task)

    stopping: list[asyncio.Task[None]] = []
    await one.worker_registry.register(Scripted(stop_after_first, "first", ["stage"]))
    requirements = {"worker_capabilities": ["stage"]}
    tasks = [
        Task(id="a", payload={"data": 5}, requirements=requirements),  # pyright: ignore[reportArgumentType]
        Task(id="b", payload={"data": "{a}"}, depends_on=["a"], requirements=requirements),  # pyright: ignore[reportArgumentType]
        Task(id="c", payload={"data": "{b}"}, depends_on=["b"]),
    ]
    await one.submit_batch(tasks, batch_id="b1")
    await until(lambda: stopping)
    await soon(stopping[0])
    await one.worker_registry.register(Scripted(worker_id="first", capabilities=["stage"]))
    await soon(one.start())
    results = await soon(one.wait_for_batch("b1"))
    assert [result.data for result in results] == [5, 5, 5]


async def test_a_retry_that_was_due_later_is_still_due_after_the_next_start(make: Make) -> None:
    worker = Failing(times=1)
    one = await make(worker)
    task = Task(id="t", retry_delay_seconds=3_000, max_retries=1)
    await one.submit_task(task)
    await until(lambda: task.retry_count == 1)
    await soon(one.stop())
    await soon(one.start())
    await until(lambda: one.metrics["queued_tasks"] == 1)
    assert worker.ran == ["t"]
    seen = await one.get_task("t")
    assert seen is not None and seen.retry_count == 1


async def test_ends_that_are_being_told_are_waited_for(make: Make) -> None:
    """Neither lost nor told to somebody as stopped."""
    one = await make(Scripted())
    tasks = [Task() for _ in range(50)]
    ids = [await one.submit_task(task) for task in tasks]
    waiters = [asyncio.create_task(one.wait_for(str(task_id))) for task_id in ids]
    await until(lambda: any(task.status is TaskStatus.RUNNING or task.status.is_final for task in tasks))
    await soon(one.stop())
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    for task, outcome in zip(tasks, outcomes, strict=True):
        assert task.status.is_final == isinstance(outcome, TaskResult)
    assert all(isinstance(one, TaskResult | OrchestratorStopped) for one in outcomes)


async def test_a_start_that_fails_leaves_nothing_behind_and_can_be_repeated(tmp_path: Any) -> None:
    class Broken(Settable):
        fails = True

        async def start(self) -> None:
            if self.fails:
                raise JournalUnavailable("not yet")
            await super().start()

    one = orchestrator(tmp_path, Scripted(), database_url="memory://")
    engine = Broken()
    one.engine = engine
    with pytest.raises(JournalUnavailable, match="not yet"):
        await one.start()
    assert not one.is_running
    assert list((tmp_path / "owners").iterdir()) == []
    engine.fails = False
    await soon(one.start())
    assert (await run(one, Task())).success
    await soon(one.stop())


async def test_a_worker_that_does_not_start_stops_nobody_else(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Scripted):
        async def start(self) -> bool:
            raise RuntimeError("no licence")

    broken = Broken(worker_id="broken")
    with caplog.at_level(logging.CRITICAL):
        one = await make(broken, Scripted(worker_id="good"))
    assert (await run(one, Task())).worker_id == "good"
    assert (broken.status, broken.status_reason) == (WorkerStatus.ERROR, "RuntimeError: no licence")


async def test_a_worker_that_does_not_let_go_does_not_hold_up_the_end(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining, "SETTLE_SECONDS", 0.05)
    let_go, entered = asyncio.Event(), asyncio.Event()

    async def stubborn(task: Task) -> TaskResult:
        entered.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return await echo(task)

    one = await make(Scripted(stubborn))
    await one.submit_task(Task())
    await soon(entered.wait())
    with caplog.at_level(logging.CRITICAL):
        await soon(one.stop())
    assert not one.is_running
    let_go.set()


async def test_what_was_can_still_be_read_after_the_stop(make: Make) -> None:
    one = await make(Scripted())
    await run(one, Task(id="t", payload={"data": 1}))
    await soon(one.stop())
    seen = await one.get_task("t")
    assert seen is not None and seen.result is not None and seen.result.data == 1
    assert not one.is_running


class Flaky(MemoryJournal):
    """A journal that cannot be written for the next `failures` ends."""

    failures = 0

    def ended(self, ending: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise JournalUnavailable("the disk is full")
        return super().ended(ending)


async def test_an_end_that_cannot_be_written_is_written_later(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    journal = Flaky()
    worker = Scripted()
    async with orchestrator(tmp_path, worker, journal=journal) as one:
        journal.failures = 2
        with caplog.at_level(logging.CRITICAL):
            assert (await run(one, Task(payload={"data": 1}))).data == 1
        assert len(worker.ran) == 1


async def test_stop_does_not_wait_for_a_batch_inside_a_task_and_it_goes_on_later(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate, drain_seconds=60)
    one.worker_registry.add(ParallelBatchWorker(one))
    await soon(one.stop())
    await soon(one.start())
    inner = [{"id": name, "type": "custom", "payload": {"data": name}} for name in ("a", "b")]
    await one.submit_task(Task(id="outer", type="parallel_batch", payload={"tasks": inner}))
    assert await gate.next() == "a"
    stopping = asyncio.create_task(one.stop())
    await until(lambda: not one.is_running)
    gate.open()
    await soon(stopping)
    assert gate.ran == ["a"]
    await soon(one.start())
    result = await soon(one.wait_for("outer"))
    assert (result.success, [each["data"] for each in result.data]) == (True, ["a", "b"])
    assert gate.ran == ["a", "b"]


async def test_status_says_how_it_stands(make: Make) -> None:
    one = await make(Scripted())
    await run_batch(one, [Task(), Task()])
    status = one.get_status()
    assert status["is_running"] is True
    assert status["uptime_seconds"] > 0
    assert status["metrics"]["tasks_completed"] == 2
    assert status["workers"]["total_workers"] == 1
    assert status["prefect"]["connected"] is False
    assert "switched off" in status["prefect"]["reason"]
    await soon(one.stop())
    assert one.get_status()["is_running"] is False


def test_settings_of_tests_reach_nothing_outside(tmp_path: Any) -> None:
    assert settings(tmp_path).prefect == "off"
