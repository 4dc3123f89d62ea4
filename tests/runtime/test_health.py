"""Workers that fail, fall ill, are drained and come back."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, run, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.models import Task, TaskResult


async def test_a_worker_that_keeps_failing_is_set_aside_and_then_tried_with_one_task(make: Make) -> None:
    broken = True

    async def while_broken(task: Task) -> TaskResult:
        if broken:
            raise RuntimeError("broken")
        await gate.wait()
        return TaskResult(success=True)

    gate = asyncio.Event()
    worker = Scripted(while_broken)
    orchestrator = await make(worker, breaker_failures=3, breaker_seconds=0.05)
    for _ in range(3):
        await run(orchestrator, Task(max_retries=0))
    tasks = [Task() for _ in range(3)]
    for task in tasks:
        await orchestrator.submit_task(task)
    await until(lambda: tasks[0].status is TaskStatus.WAITING_RESOURCES)
    assert tasks[0].status_reason == "scripted is set aside after repeated failures"
    assert len(worker.ran) == 3
    broken = False
    await until(lambda: len(worker.ran) == 4)
    await until(lambda: tasks[1].status_reason == "scripted is on probation with one task")
    assert worker.at_once == 1
    gate.set()
    for task in tasks:
        assert (await soon(orchestrator.wait_for(task.id))).success
    assert len(worker.ran) == 6


async def test_a_probation_that_fails_sets_the_worker_aside_again(make: Make) -> None:
    worker = Failing(times=4)
    orchestrator = await make(worker, breaker_failures=2, breaker_seconds=0.01)
    task = Task(id="t", max_retries=4, retry_delay_seconds=0.0001)
    assert (await run(orchestrator, task)).success
    assert worker.attempts["t"] == 5


async def test_others_run_while_one_is_set_aside(make: Make) -> None:
    bad, good = Failing(worker_id="a-bad"), Scripted(worker_id="b-good")
    orchestrator = await make(bad, good, breaker_failures=1, breaker_seconds=3_600)
    for _ in range(5):
        assert (await run(orchestrator, Task(retry_delay_seconds=0.0001))).success
    assert len(bad.ran) == 1
    assert len(good.ran) == 5


async def test_failures_that_are_the_tasks_own_fault_do_not_speak_against_the_worker(make: Make) -> None:
    async def bad_input(task: Task) -> TaskResult:
        return TaskResult(success=False, error="bad input", retryable=False)

    worker = Scripted(bad_input)
    orchestrator = await make(worker, breaker_failures=1, breaker_seconds=3_600)
    for _ in range(3):
        await run(orchestrator, Task())
    assert len(worker.ran) == 3


class Watched(Scripted):
    """Tells when its health is asked for and whether it can be started."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.can_start = True

    async def start(self) -> bool:
        await super().start()
        return self.can_start


async def test_an_ill_worker_is_marked_and_comes_back_by_itself(make: Make) -> None:
    worker = Scripted(auto_restart=False)
    orchestrator = await make(worker, health_check_interval=0.01, unavailable_wait_seconds=60)
    worker.healthy = False
    await until(lambda: worker.status is WorkerStatus.ERROR)
    assert worker.status_reason == "the health check failed"
    task = Task()
    await orchestrator.submit_task(task)
    await until(lambda: task.status is TaskStatus.WAITING_RESOURCES)
    assert task.status_reason == "scripted is error (the health check failed)"
    worker.healthy = True
    assert (await soon(orchestrator.wait_for(task.id))).success
    assert (worker.status, worker.status_reason, worker.starts) == (WorkerStatus.IDLE, None, 1)


async def test_a_health_check_that_raises_counts_as_ill_and_says_why(make: Make) -> None:
    class Raising(Scripted):
        async def health_check(self) -> bool:
            if not self.healthy:
                raise OSError("no route")
            return True

    worker = Raising(auto_restart=False)
    await make(worker, health_check_interval=0.01)
    worker.healthy = False
    await until(lambda: worker.status is WorkerStatus.ERROR)
    assert worker.status_reason == "the health check failed: OSError: no route"
    worker.healthy = True
    await until(lambda: worker.status is WorkerStatus.IDLE)


async def test_an_ill_worker_is_started_anew_until_that_succeeds(make: Make) -> None:
    worker = Watched()
    orchestrator = await make(worker, health_check_interval=0.01, unavailable_wait_seconds=60)
    worker.healthy = worker.can_start = False
    await until(lambda: worker.starts >= 3)
    assert worker.status is not WorkerStatus.IDLE
    worker.can_start = worker.healthy = True
    assert (await run(orchestrator, Task())).success


async def test_a_worker_in_maintenance_is_left_alone(make: Make) -> None:
    drained, other = Scripted(worker_id="drained"), Scripted(worker_id="other", auto_restart=False)
    orchestrator = await make(drained, other, health_check_interval=0.01)
    drained.status = WorkerStatus.MAINTENANCE
    orchestrator.worker_registry.changed()
    for _ in range(3):
        assert (await run(orchestrator, Task())).worker_id == "other"
    other.healthy = False
    await until(lambda: other.status is WorkerStatus.ERROR)
    assert drained.status is WorkerStatus.MAINTENANCE


async def test_an_unregistered_worker_gets_no_more_tasks_and_its_running_one_ends(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="runs"))
    await gate.next()
    assert await orchestrator.worker_registry.unregister("gate")
    result = await run(orchestrator, Task())
    assert result.error_type == "NoWorker"
    gate.open()
    assert (await soon(orchestrator.wait_for("runs"))).success
    assert gate.running == 0


async def test_a_worker_that_replaces_another_takes_over_what_waits(make: Make) -> None:
    old = Gate(worker_id="w", slots=1)
    orchestrator = await make(old)
    await orchestrator.submit_task(Task(id="runs"))
    await old.next()
    await orchestrator.submit_task(Task(id="waits"))
    new = Scripted(worker_id="w")
    await orchestrator.worker_registry.register(new)
    assert (await soon(orchestrator.wait_for("waits"))).success
    assert new.ran == ["waits"]
    old.open()
    assert (await soon(orchestrator.wait_for("runs"))).success
    assert (old.running, new.running) == (0, 0)


async def test_a_worker_that_is_full_is_shown_as_busy(make: Make) -> None:
    gate = Gate(slots=2)
    orchestrator = await make(gate)
    await orchestrator.submit_batch([Task(), Task()])
    await gate.next()
    assert gate.status is WorkerStatus.IDLE or gate.running == 2
    await gate.next()
    assert (gate.status, gate.load) == (WorkerStatus.BUSY, 1.0)
    gate.open()
    await until(lambda: gate.running == 0)
    assert gate.status is WorkerStatus.IDLE
    assert gate.metrics.tasks_completed == 2


async def test_a_worker_that_is_slow_to_come_back_holds_up_no_other_check(make: Make) -> None:
    class Slow(Scripted):
        async def start(self) -> bool:
            await super().start()
            if self.starts > 1:
                await gate.wait()
            return True

    gate = asyncio.Event()
    slow, other = Slow(worker_id="slow"), Scripted(worker_id="other", auto_restart=False)
    await make(slow, other, health_check_interval=0.01)
    slow.healthy = False
    await until(lambda: slow.starts == 2)
    other.healthy = False
    await until(lambda: other.status is WorkerStatus.ERROR)
    other.healthy = True
    await until(lambda: other.status is WorkerStatus.IDLE)
    assert slow.starts == 2
    gate.set()


async def test_a_worker_that_is_unregistered_while_it_is_checked_is_not_started_again(make: Make) -> None:
    class Checked(Scripted):
        async def health_check(self) -> bool:
            asked.set()
            await answer.wait()
            answered.set()
            return False

    asked, answer, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    worker = Checked(worker_id="w")
    orchestrator = await make(worker, health_check_interval=0.01)
    await soon(asked.wait())
    await orchestrator.worker_registry.unregister("w")
    answer.set()
    await soon(answered.wait())
    await until(lambda: not orchestrator._parts.services._checks)  # pyright: ignore[reportPrivateUsage]
    assert (worker.status, worker.starts) == (WorkerStatus.OFFLINE, 1)


async def test_a_worker_that_is_unregistered_while_it_is_started_again_is_stopped(make: Make) -> None:
    class Stoppable(Scripted):
        stops = 0

        async def start(self) -> bool:
            self.starts += 1
            if self.starts > 1:
                again.set()
                await gate.wait()
            self.status = WorkerStatus.IDLE
            return True

        async def stop(self) -> bool:
            self.stops += 1
            return True

    again, gate = asyncio.Event(), asyncio.Event()
    worker = Stoppable(worker_id="w")
    orchestrator = await make(worker, health_check_interval=0.01)
    worker.healthy = False
    await soon(again.wait())
    await orchestrator.worker_registry.unregister("w")
    gate.set()
    await until(lambda: worker.stops == 2)
    await until(lambda: worker.status is WorkerStatus.OFFLINE)


async def test_stopping_at_the_moment_at_which_workers_have_changed_does_not_hang(make_on_disk: Make) -> None:
    await make_on_disk(Scripted(worker_id="theirs"))
    one = await make_on_disk(Scripted(worker_id="a"), Scripted(worker_id="b"))
    await until(lambda: one._parts.ownership.has_others)  # pyright: ignore[reportPrivateUsage]
    await one.worker_registry.unregister("b")
    await soon(one.stop())
    assert not one.is_running
