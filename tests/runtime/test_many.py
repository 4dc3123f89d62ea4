"""Many tasks at once: whatever ends or moves them leaves the event loop free in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.runtime.conftest import Make
from tests.support import Failing, Gate, Scripted, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.errors import OrchestratorStopped
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.runtime import endings, lifecycle, progress, recovery
from vera_orchestrator.workers.base import BaseWorker

AT_ONCE = 10
MANY = 200


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "ENDS_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(lifecycle, "DISMISSED_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(progress, "HANDED_OVER_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(recovery, "CLAIM_LIMIT", AT_ONCE)
    monkeypatch.setattr(recovery, "READ_AT_ONCE", 3)


class Turns:
    """Counts, in `noted`, how often it was told of something in each turn of the event loop."""

    def __init__(self) -> None:
        self.turn = 0
        self.noted: Counter[int] = Counter()
        self._counting = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    def note(self, *_: object) -> None:
        """Be told."""
        self.noted[self.turn] += 1

    async def stop(self) -> None:
        """Count no longer."""
        self._counting.cancel()
        await asyncio.wait({self._counting})


async def test_a_cancelled_batch_ends_a_few_tasks_at_a_time(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    turns = Turns()
    tasks = [Task(on_error=turns.note) for _ in range(MANY)]
    batch = str(await orchestrator.submit_batch(tasks))
    await gate.next()
    assert await soon(orchestrator.cancel_batch(batch)) == MANY
    results = await soon(orchestrator.wait_for_batch(batch))
    await turns.stop()
    assert {result.error_type for result in results} == {"TaskCancelled"}
    assert turns.noted.total() == MANY
    assert max(turns.noted.values()) <= AT_ONCE + 1  # and the one that ran
    kept = await orchestrator.get_batch(batch)
    assert kept is not None
    assert {task.status for task in kept.tasks} == {TaskStatus.CANCELLED}
    assert len(gate.ran) == 1


async def test_no_task_of_a_cancelled_batch_starts_although_there_is_room(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    batch = str(await orchestrator.submit_batch([Task() for _ in range(MANY)]))
    first = await gate.next()
    cancelling = asyncio.create_task(orchestrator.cancel_batch(batch))
    await until(lambda: gate.at_once == 0)
    gate.open()
    other = Task()
    assert (await run(orchestrator, other)).success
    assert await soon(cancelling) == MANY
    await soon(orchestrator.wait_for_batch(batch))
    assert gate.ran == [first, other.id]


async def test_tasks_that_wait_for_others_of_a_cancelled_batch_are_cancelled_for_the_same_reason(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    tasks = [Task(id="first"), *(Task(depends_on=["first"]) for _ in range(MANY))]
    batch = str(await orchestrator.submit_batch(tasks[::-1]))
    await gate.next()
    assert await soon(orchestrator.cancel_batch(batch)) == MANY + 1
    results = await soon(orchestrator.wait_for_batch(batch))
    assert {result.error_type for result in results} == {"TaskCancelled"}


async def test_what_depends_on_a_failed_task_ends_a_few_at_a_time(make: Make) -> None:
    orchestrator = await make(Failing())
    turns = Turns()
    dependents = [Task(depends_on=["first"], on_error=turns.note) for _ in range(MANY)]
    results = await run_batch(orchestrator, [Task(id="first", max_retries=0), *dependents])
    await turns.stop()
    assert Counter(result.error_type for result in results) == {"TaskFailed": 1, "DependencyFailed": MANY}
    assert max(turns.noted.values()) <= AT_ONCE


async def test_a_task_cancelled_twice_counts_until_it_has_ended(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    batch = str(await orchestrator.submit_batch([Task() for _ in range(MANY)]))
    await gate.next()
    first, second = await soon(asyncio.gather(orchestrator.cancel_batch(batch), orchestrator.cancel_batch(batch)))
    assert first == MANY
    assert second == MANY
    await soon(orchestrator.wait_for_batch(batch))
    assert await orchestrator.cancel_batch(batch) == 0


async def test_a_cancelled_batch_is_not_handed_to_others_while_it_ends(make_on_disk: Make) -> None:
    gate, other = Gate(slots=1), Scripted()
    one = await make_on_disk(gate)
    batch = str(await one.submit_batch([Task(type=TaskType.CUSTOM) for _ in range(MANY)]))
    await gate.next()
    two = await make_on_disk(other)
    cancelled, _ = await soon(asyncio.gather(one.cancel_batch(batch), one.drain()))
    assert cancelled == MANY
    kept = await two.get_batch(batch)
    assert kept is not None
    assert {task.status for task in kept.tasks} == {TaskStatus.CANCELLED}
    assert other.ran == []


async def test_whoever_waits_is_told_of_a_stop_a_few_at_a_time(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    turns = Turns()

    async def wait() -> None:
        with pytest.raises(OrchestratorStopped):
            await orchestrator.submit_task(Task(), wait=True)
        turns.note()

    waiting = [asyncio.create_task(wait()) for _ in range(MANY)]
    await gate.next()
    await until(lambda: orchestrator.metrics["queued_tasks"] == MANY - 1)
    await soon(orchestrator.stop())
    await soon(asyncio.gather(*waiting))
    await turns.stop()
    assert max(turns.noted.values()) <= AT_ONCE


async def test_tasks_that_wait_for_ones_on_a_later_page_are_adopted_and_run_after_them(make_on_disk: Make) -> None:
    gate, other = Gate(slots=1), Scripted()
    one = await make_on_disk(gate)
    tasks = [Task(id=f"t{number:03}", depends_on=[f"t{number + 1:03}"]) for number in range(5 * AT_ONCE)]
    await one.submit_batch([*tasks, Task(id=f"t{len(tasks):03}")], batch_id="b")
    await gate.next()
    await soon(one.stop())
    two = await make_on_disk(other)
    results = await soon(two.wait_for_batch("b"))
    assert all(result.success for result in results)
    assert other.ran == [f"t{number:03}" for number in range(len(tasks), -1, -1)]


class Counting(Gate):
    """Counts how often it is asked whether it accepts a task."""

    asked = 0

    def accepts(self, task: Task) -> bool:
        self.asked += 1
        return super().accepts(task)


async def test_behind_a_busy_worker_not_every_key_is_looked_at_each_time(make: Make) -> None:
    worker = Counting(slots=1)
    orchestrator = await make(worker)
    batch = str(await orchestrator.submit_batch([Task(concurrency_key=f"k{number}") for number in range(MANY)]))
    await gate_opened(worker)
    assert all(result.success for result in await soon(orchestrator.wait_for_batch(batch)))
    assert len(worker.ran) == MANY
    assert worker.asked <= 4 * MANY


async def gate_opened(worker: Gate) -> None:
    """Open a gate when the first task has come in."""
    await worker.next()
    worker.open()


class Choosy(TaskRouter):
    """Leaves out every worker for one key."""

    def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return () if task.concurrency_key == "unwanted" else super().rank(task, candidates)


async def test_a_key_that_the_router_has_no_worker_for_hides_no_other(make: Make) -> None:
    worker: BaseWorker = Scripted()
    orchestrator = await make(worker, router=Choosy())
    await orchestrator.submit_task(unwanted := Task(concurrency_key="unwanted"))
    result: TaskResult = await run(orchestrator, Task(concurrency_key="k"))
    assert result.success
    assert unwanted.status is TaskStatus.WAITING_RESOURCES
    assert unwanted.status_reason is not None and "left out by the router" in unwanted.status_reason
