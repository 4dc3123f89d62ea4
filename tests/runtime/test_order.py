"""Which of several waiting tasks goes first."""

from __future__ import annotations

import asyncio

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, echo, needs, soon, until
from vera_orchestrator.enums import TaskPriority, TaskStatus
from vera_orchestrator.models import Task, TaskResult

JUMBLED = ["BACKGROUND", "LOW", "CRITICAL", "NORMAL", "HIGH"]


async def test_while_one_task_holds_the_only_slot_the_others_wait_and_then_go_by_priority(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="holder"))
    assert await gate.next() == "holder"
    waiting = [Task(id=name, priority=TaskPriority[name]) for name in JUMBLED]
    for task in waiting:
        await orchestrator.submit_task(task)
    assert gate.ran == ["holder"]
    gate.open()
    for task in waiting:
        await soon(orchestrator.wait_for(task.id))
    assert gate.ran == ["holder", "CRITICAL", "HIGH", "NORMAL", "LOW", "BACKGROUND"]


async def test_the_orchestrators_own_limit_orders_tasks_of_different_workers(make: Make) -> None:
    gate = Gate(slots=10)
    order: list[str] = []

    async def note(task: Task) -> TaskResult:
        order.append(task.id)
        return await echo(task)

    other = Scripted(note, "other", ["other"])
    third = Scripted(note, "third", ["third"])
    orchestrator = await make(gate, other, third, max_concurrent_tasks=1)
    await orchestrator.submit_task(Task(id="holder"))
    await gate.next()
    await orchestrator.submit_task(Task(id="low", priority=TaskPriority.LOW, requirements=needs("third")))
    await orchestrator.submit_task(Task(id="high", priority=TaskPriority.HIGH, requirements=needs("other")))
    assert order == []
    seen = await orchestrator.get_task("low")
    assert seen is not None
    assert (seen.status, seen.status_reason) == (
        TaskStatus.WAITING_RESOURCES,
        "the limit max_concurrent_tasks of 1 is reached",
    )
    gate.open()
    await soon(orchestrator.wait_for("low"))
    assert order == ["high", "low"]


async def test_under_a_steady_stream_of_urgent_tasks_a_background_task_still_runs(make: Make) -> None:
    ran_in_the_end = asyncio.Event()

    async def again(task: Task) -> TaskResult:
        if task.id == "background":
            ran_in_the_end.set()
        elif not ran_in_the_end.is_set():
            await orchestrator.submit_task(Task(priority=TaskPriority.HIGH))
        return await echo(task)

    worker = Scripted(again, slots=1)
    orchestrator = await make(worker, age_step_seconds=0.01)
    for _ in range(3):
        await orchestrator.submit_task(Task(priority=TaskPriority.HIGH))
    await orchestrator.submit_task(Task(id="background", priority=TaskPriority.BACKGROUND))
    await soon(ran_in_the_end.wait())
    assert len(worker.ran) > 3


async def test_callers_take_turns(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="holder"))
    await gate.next()
    for caller in ("a", "b"):
        for number in range(3):
            await orchestrator.submit_task(Task(id=f"{caller}{number}", fairness_key=caller))
    gate.open()
    await until(lambda: len(gate.ran) == 7)
    assert gate.ran[1:] == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_a_task_that_waits_for_a_busy_worker_never_hides_one_that_can_run(make: Make) -> None:
    gate = Gate(slots=1)
    free = Scripted(worker_id="free", capabilities=["free"])
    orchestrator = await make(gate, free)
    await orchestrator.submit_task(Task())
    await gate.next()
    for _ in range(5):
        await orchestrator.submit_task(Task(priority=TaskPriority.CRITICAL))
    late = Task(priority=TaskPriority.BACKGROUND, requirements=needs("free"))
    await soon(orchestrator.submit_task(late, wait=True))
    assert free.ran == [late.id]


async def test_a_task_that_its_only_worker_is_too_busy_for_never_hides_one_that_another_accepts(make: Make) -> None:
    class Choosy(Gate):
        def accepts(self, task: Task) -> bool:
            return task.payload["for"] == self.worker_id

    busy, free = Choosy("busy", slots=1), Choosy("free", slots=1)
    orchestrator = await make(busy, free)
    await orchestrator.submit_task(Task(payload={"for": "busy"}))
    await busy.next()
    await orchestrator.submit_task(Task(id="must wait", payload={"for": "busy"}))
    await orchestrator.submit_task(Task(id="can run", payload={"for": "free"}))
    assert await free.next() == "can run"
    assert "must wait" not in busy.ran
