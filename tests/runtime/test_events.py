"""What listeners are told, on each kind of journal."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

from tests.runtime.conftest import Make
from tests.runtime.metered import Metered, metered
from tests.support import Failing, Gate, Scripted, echo, run, soon
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.events import Event, SpendEvent, TaskEvent, WorkerEvent
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.usage import Usage


class Told:
    """A listener that keeps what it is told, with the task's status at that moment."""

    def __init__(self, one: Orchestrator) -> None:
        self.events: list[Event] = []
        self.statuses: list[tuple[str, TaskStatus]] = []
        self.stop = one.events.subscribe(self)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TaskEvent):
            self.statuses.append((event.kind.value, event.task.status))

    def of(self, task_id: str) -> list[str]:
        return [one.kind.value for one in self.events if isinstance(one, TaskEvent) and one.task.id == task_id]


async def test_a_tasks_life_is_told_in_order(make: Make) -> None:
    one = await make(Scripted())
    told = Told(one)
    result = await run(one, Task(id="t"))
    assert told.statuses == [
        ("accepted", TaskStatus.PENDING),
        ("waiting", TaskStatus.QUEUED),
        ("started", TaskStatus.RUNNING),
        ("ended", TaskStatus.COMPLETED),
    ]
    *_, started, ended = [event for event in told.events if isinstance(event, TaskEvent)]
    assert started.worker_id == ended.worker_id == result.worker_id
    assert not ended.elsewhere


async def test_a_retry_is_told_and_a_task_that_waits_for_others(make: Make) -> None:
    one = await make(Failing(times=1))
    told = Told(one)
    tasks = [Task(id="a", retry_delay_seconds=0.001), Task(id="b", depends_on=["a"])]
    await soon(one.submit_batch(tasks, wait=True))
    attempt = ["waiting", "started"]
    assert told.of("a") == ["accepted", *attempt, "retrying", *attempt, "ended"]
    assert told.of("b")[:4] == ["accepted", "waiting", *attempt]


async def test_what_ends_without_having_run_is_told(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate)
    told = Told(one)
    await one.submit_task(Task(id="a"))
    await gate.next()
    await one.submit_task(Task(id="b"))
    assert await one.cancel_task("b")
    await soon(one.wait_for("b"))
    assert (told.of("b")[0], told.of("b")[-1]) == ("accepted", "ended")
    gate.open()
    await soon(one.wait_for("a"))


async def test_progress_is_told_from_whatever_thread_and_still_to_the_tasks_own_function(make: Make) -> None:
    async def in_steps(task: Task) -> TaskResult:
        assert task.on_progress is not None
        task.on_progress(0.5)
        await asyncio.to_thread(task.on_progress, 7)
        task.on_progress("what a worker should not say")
        return await echo(task)

    one = await make(Scripted(in_steps))
    told, own = Told(one), list[object]()
    threads: list[int] = []
    one.events.subscribe(lambda _: threads.append(threading.get_ident()))
    await run(one, Task(on_progress=own.append))
    fractions = [event.fraction for event in told.events if isinstance(event, TaskEvent) and event.fraction is not None]
    assert fractions == [0.5, 1.0]
    assert own == [0.5, 7, "what a worker should not say"]
    assert set(threads) == {threading.get_ident()}


async def test_workers_are_told_of_when_they_come_change_and_go(make: Make) -> None:
    one = await make()
    told = Told(one)
    worker = Scripted(worker_id="w")
    await one.worker_registry.register(worker)
    assert told.events
    told.events.clear()
    worker.status, worker.status_reason = WorkerStatus.ERROR, "it broke"
    worker.status_reason = "it broke"
    assert told.events == [WorkerEvent(worker_id="w")] * 2
    told.events.clear()
    await one.worker_registry.unregister("w")
    assert WorkerEvent(worker_id="w") in told.events


async def test_what_is_spent_is_told_with_whose_it_is(make: Make) -> None:
    one = await make(Metered())
    told = Told(one)
    task = metered("t", 7, model="small", tags=["red"])
    task.caller = "key-1"
    await run(one, task)
    [spent] = [event for event in told.events if isinstance(event, SpendEvent)]
    assert spent == SpendEvent(
        caller="key-1",
        tags=("red",),
        worker_id="meter",
        provider="simulated",
        model="small",
        requests=1,
        tokens=7,
        cost=Decimal(0),
        usage=Usage(input=7),
        is_estimate=False,
    )


async def test_what_nobody_reported_is_told_as_it_was_reserved(make: Make) -> None:
    async def silent(task: Task, channel: object) -> TaskResult:
        del channel
        return await echo(task)

    one = await make(Metered(behaviour=silent))
    told = Told(one)
    await run(one, metered("t", 9))
    [spent] = [event for event in told.events if isinstance(event, SpendEvent)]
    assert (spent.tokens, spent.usage, spent.is_estimate) == (9, None, True)


async def test_a_listener_that_fails_harms_nobody_and_one_that_left_is_told_nothing(make: Make) -> None:
    one = await make(Scripted())

    def failing(event: Event) -> None:
        raise RuntimeError(event)

    one.events.subscribe(failing)
    left, stays = Told(one), Told(one)
    left.stop()
    left.stop()
    assert (await run(one, Task(id="t"))).success
    assert stays.of("t")[-1] == "ended"
    assert not left.events
