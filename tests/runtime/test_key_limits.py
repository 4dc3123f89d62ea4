"""What a key's tasks may use, and how often their turn comes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.runtime.conftest import Make
from tests.runtime.metered import Held, Metered, metered
from tests.support import Gate, run, soon, until
from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.models import APIQuota, Task
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker

NOTHING: dict[str, None] = {"requests_per_minute": None, "requests_per_hour": None, "requests_per_day": None}


async def key_of(one: Orchestrator, **given: Any) -> str:
    """Make a key; what is not one of its fields is a limit of its quota."""
    fields = {name: given.pop(name) for name in ("weight",) if name in given}
    quota = APIQuota(**{**NOTHING, **given}) if given else None
    return (await one.keys.create("a", quota=quota, **fields)).row.id


def of(caller: str, task: Task) -> Task:
    """Return a task as a key has submitted it."""
    task.caller = task.fairness_key = caller
    return task


def standing(one: Orchestrator, task_id: str) -> TaskStatus | None:
    """Return the status of a task that one orchestrator has."""
    entry = one._parts.live.find(task_id)  # pyright: ignore[reportPrivateUsage]
    return None if entry is None else one._parts.dispatcher.explain(entry)[0]  # pyright: ignore[reportPrivateUsage]


async def test_a_quota_holds_however_many_tasks_and_orchestrators_there_are(make_shared: Make) -> None:
    workers = [Metered(f"meter-{number}") for number in range(3)]
    several = [await make_shared(worker) for worker in workers]
    key = await key_of(several[0], tokens_per_day=100)
    ids = [f"t{number}" for number in range(30)]
    await asyncio.gather(
        *(several[number % 3].submit_task(of(key, metered(name, tokens=10))) for number, name in enumerate(ids))
    )

    await until(lambda: sum(len(worker.ran) for worker in workers) >= 10)

    used = several[0].spent_today([f"key:{key}"])[f"key:{key}"].amounts
    assert (used.tokens, used.requests) == (100, 10)
    assert sum(len(worker.ran) for worker in workers) == 10


async def test_what_waits_for_the_quota_of_a_key_says_so_and_holds_up_nobody_else(make: Make) -> None:
    one = await make(Metered())
    poor, rich = await key_of(one, requests_per_day=1), await key_of(one)
    assert (await run(one, of(poor, metered("first")))).success
    await one.submit_task(of(poor, metered("second")))
    await until(lambda: one.worker_registry.require("meter").running == 0)

    for number in range(5):
        assert (await run(one, of(rich, metered(f"r{number}")))).success
        assert (await run(one, metered(f"n{number}"))).success

    task = await one.get_task("second")
    assert task is not None and task.status_reason is not None
    assert task.status is TaskStatus.RATE_LIMITED
    assert f"key:{poor}: 1 of 1 requests per day" in task.status_reason


async def test_a_task_larger_than_its_key_allows_fails_at_once(make: Make) -> None:
    one = await make(Metered())
    result = await run(one, of(await key_of(one, tokens_per_day=5), metered("t", tokens=6)))
    assert not result.success
    assert "the limit is 5 tokens per day" in str(result.error)


async def test_a_quota_holds_for_tasks_that_were_taken_over(make_on_disk: Make) -> None:
    held = Held()
    first = await make_on_disk(Metered(behaviour=held), max_concurrent_tasks=1)
    key = await key_of(first, requests_per_day=2)
    ids = [f"t{number}" for number in range(4)]
    for name in ids:
        await first.submit_task(of(key, metered(name)))
    await soon(held.begun.wait())
    await soon(first.stop())

    worker = Metered()
    second = await make_on_disk(worker)

    await until(lambda: worker.ran and [standing(second, name) for name in ids].count(TaskStatus.RATE_LIMITED) == 3)
    assert len(worker.ran) == 1  # the attempt that was broken off stays counted as one request


async def test_calls_keep_to_their_bounds_where_a_key_has_a_limit_of_tokens(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    assert (await run(one, of(await key_of(one, requests_per_day=5), metered("a")))).success
    assert not worker.caps_output
    assert (await run(one, of(await key_of(one, tokens_per_day=5), metered("b")))).success
    assert worker.caps_output


async def test_the_tasks_of_an_inner_batch_are_those_of_its_key(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    one.worker_registry.add(ParallelBatchWorker(one))
    await one.worker_registry.start_worker(one.worker_registry.require("batches"))
    key = await key_of(one, requests_per_day=2)
    inner = [
        {"id": f"i{number}", "payload": {}, "requirements": {"worker_capabilities": ["metered"]}} for number in range(3)
    ]
    await one.submit_task(of(key, Task(type=TaskType.PARALLEL_BATCH, payload={"tasks": inner})))

    await until(
        lambda: len(worker.ran) == 2 and TaskStatus.RATE_LIMITED in {standing(one, f"i{number}") for number in range(3)}
    )
    assert len(worker.ran) == 2

    task = await one.get_task("i0")
    assert task is not None
    assert (task.caller, task.fairness_key) == (key, key)


async def test_a_key_with_a_weight_takes_more_turns(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate, max_concurrent_tasks=1)
    heavy, light = await key_of(one, weight=3), await key_of(one)
    await one.keys.learn([heavy, light])
    await one.submit_task(Task(id="before"))
    await gate.next()
    for number in range(8):
        await one.submit_task(of(light, Task(id=f"light-{number}")))
        await one.submit_task(of(heavy, Task(id=f"heavy-{number}")))
    gate.open()

    order = [(await gate.next()).partition("-")[0] for _ in range(8)]

    assert Counter(order) == {"heavy": 6, "light": 2}
