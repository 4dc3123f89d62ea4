"""No limit is passed."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, Settable, echo, needs, run_batch, soon, until
from vera_orchestrator.enums import TaskPriority, TaskStatus, TaskType
from vera_orchestrator.errors import QueueFull
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator


def engine_of(orchestrator: Orchestrator) -> Settable:
    assert isinstance(orchestrator.engine, Settable)
    return orchestrator.engine


async def test_of_the_tasks_with_one_concurrency_key_only_one_runs_at_a_time(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    results = await run_batch(orchestrator, [Task(concurrency_key="k") for _ in range(20)])
    assert all(result.success for result in results)
    assert worker.most_at_once == 1


async def test_tasks_with_different_concurrency_keys_run_beside_each_other(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_batch([Task(concurrency_key=key) for key in "aabbc"])
    for _ in range(3):
        await gate.next()
    assert gate.at_once == 3
    gate.open()
    await until(lambda: len(gate.ran) == 5)
    assert gate.most_at_once == 3


async def test_one_concurrency_key_holds_for_two_orchestrators_on_one_journal(make_on_disk: Make) -> None:
    gate = Gate(worker_id="gate")
    one, two = await make_on_disk(gate), await make_on_disk(gate)
    first, second = Task(concurrency_key="k"), Task(concurrency_key="k")
    await one.submit_task(first)
    await gate.next()
    await two.submit_task(second)
    await until(lambda: second.status is TaskStatus.WAITING_RESOURCES)
    assert second.status_reason == "the limit key:k of 1 is reached"
    gate.open()
    assert (await soon(two.wait_for(second.id))).success
    assert gate.most_at_once == 1


async def test_a_types_limit_is_kept_and_can_be_raised_while_tasks_wait(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    engine_of(orchestrator).limit(custom=2)
    tasks = [Task() for _ in range(5)]
    for task in tasks:
        await orchestrator.submit_task(task)
    for _ in range(2):
        await gate.next()
    await until(lambda: tasks[2].status is TaskStatus.WAITING_RESOURCES)
    assert tasks[2].status_reason == "the limit type:custom of 2 is reached"
    assert len(gate.ran) == 2
    engine_of(orchestrator).limit(custom=4)
    for _ in range(2):
        await gate.next()
    gate.open()
    for task in tasks:
        await soon(orchestrator.wait_for(task.id))
    assert gate.most_at_once == 4


async def test_a_types_limit_does_not_hold_up_other_types(make: Make) -> None:
    gate = Gate()
    tools = Scripted(worker_id="tools", capabilities=["tool_execution"])
    orchestrator = await make(gate, tools)
    engine_of(orchestrator).limit(custom=1)
    for _ in range(3):
        await orchestrator.submit_task(Task(priority=TaskPriority.CRITICAL))
    call = Task(type=TaskType.TOOL_CALL, payload={"tool_name": "x"}, priority=TaskPriority.BACKGROUND)
    await soon(orchestrator.submit_task(call, wait=True))
    assert tools.ran == [call.id]


async def test_a_workers_rate_is_kept_and_a_task_says_that_it_waits_for_it(make: Make) -> None:
    worker = Scripted(rate_limit_per_minute=60)
    orchestrator = await make(worker)
    tasks = [Task() for _ in range(11)]
    for task in tasks:
        await orchestrator.submit_task(task)
    await until(lambda: tasks[10].status is TaskStatus.RATE_LIMITED)
    assert tasks[10].status_reason == "scripted is at its rate limit"
    assert len(worker.ran) == 10


async def test_a_rate_limited_task_goes_on_by_itself(make: Make) -> None:
    worker = Scripted(rate_limit_per_minute=6_000)
    orchestrator = await make(worker)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await run_batch(orchestrator, [Task() for _ in range(1_010)])  # a burst of 1,000, then 100 a second
    assert loop.time() - began >= 0.09


async def test_a_worker_at_its_rate_is_passed_over_for_another(make: Make) -> None:
    limited = Scripted(worker_id="a", rate_limit_per_minute=1)
    other = Scripted(worker_id="b")
    orchestrator = await make(limited, other)
    await run_batch(orchestrator, [Task() for _ in range(40)])
    assert len(limited.ran) <= 10
    assert len(limited.ran) + len(other.ran) == 40


@pytest.mark.parametrize("seed", range(5))
async def test_no_limit_is_ever_passed_whatever_is_submitted(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    async def count(task: Task) -> TaskResult:
        names = ["all", *([f"key {task.concurrency_key}"] if task.concurrency_key else [])]
        for name in names:
            running[name] = running.get(name, 0) + 1
            most[name] = max(most.get(name, 0), running[name])
        for _ in range(turns[task.id]):
            await asyncio.sleep(0)
        for name in names:
            running[name] -= 1
        return TaskResult(success=chance.random() < 0.9) if task.max_retries else await echo(task)

    workers = [Scripted(count, f"w{slots}", ["custom", f"c{slots}"], slots=slots) for slots in (1, 2, 4)]
    orchestrator = await make(*workers, max_concurrent_tasks=5, breaker_seconds=0.001)
    tasks = [
        Task(
            priority=TaskPriority(chance.randrange(5)),
            concurrency_key=chance.choice([None, "x", "y"]),
            fairness_key=chance.choice([None, "p", "q"]),
            requirements=needs(*chance.choice([[], ["c1"], ["c2"], ["c4"]])),
            max_retries=chance.choice([0, 20]),
            retry_delay_seconds=0.0001,
        )
        for _ in range(60)
    ]
    turns = {task.id: chance.randrange(4) for task in tasks}
    results = await run_batch(orchestrator, tasks)
    assert all(result.success for result in results)
    assert most["all"] <= 5
    assert all(number == 1 for name, number in most.items() if name.startswith("key"))
    assert [worker.most_at_once <= worker.config.max_concurrent_tasks for worker in workers] == [True] * 3
    assert [worker.running for worker in workers] == [0, 0, 0]


async def test_more_tasks_than_may_wait_are_refused_and_none_of_them_is_accepted(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate, max_queued_tasks=2)
    await orchestrator.submit_task(Task(id="runs"))
    await gate.next()
    await orchestrator.submit_task(Task(id="waits"))
    with pytest.raises(QueueFull) as caught:
        await orchestrator.submit_batch([Task(id="a"), Task(id="b")])
    assert caught.value.retry_after is not None
    assert await orchestrator.get_task("a") is None
    await orchestrator.submit_task(Task(id="the last"))
    with pytest.raises(QueueFull):
        await orchestrator.submit_task(Task(id="too many"))
    gate.open()
    await soon(orchestrator.wait_for("the last"))
    await orchestrator.submit_task(Task(id="room again"))


async def test_many_who_submit_at_once_cannot_pass_the_limit_together(make: Make) -> None:
    orchestrator = await make(Gate(slots=1), max_queued_tasks=3)
    given = await asyncio.gather(*(orchestrator.submit_task(Task()) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in given) == 3
    assert sum(isinstance(one, QueueFull) for one in given) == 17
