"""Idempotency keys."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, run, soon
from vera_orchestrator.errors import IdempotencyConflict
from vera_orchestrator.models import Task, TaskResult


def keyed(data: object = 1, key: str = "k") -> Task:
    return Task(idempotency_key=key, payload={"data": data})


async def test_the_same_key_and_body_give_the_earlier_task_and_its_result(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    first, second = keyed(), keyed()
    one = await run(orchestrator, first)
    two = await run(orchestrator, second)
    assert (one.data, two.data, two.timestamp) == (1, 1, one.timestamp)
    assert await orchestrator.submit_task(keyed()) == first.id
    assert worker.ran == [first.id]
    assert len(orchestrator.get_task_history()) == 1


async def test_while_the_earlier_task_runs_its_result_is_waited_for(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    first = keyed()
    await orchestrator.submit_task(first)
    await gate.next()
    waiting = asyncio.create_task(orchestrator.submit_task(keyed(), wait=True))
    await asyncio.sleep(0)
    gate.open()
    result = await soon(waiting)
    assert isinstance(result, TaskResult) and result.data == 1
    assert gate.ran == [first.id]


async def test_the_very_same_task_may_be_submitted_again(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = keyed()
    await orchestrator.submit_task(task)
    await gate.next()
    before = (task.status, task.started_at)
    assert await orchestrator.submit_task(task) == task.id
    assert (task.status, task.started_at) == before


async def test_of_many_at_once_one_runs(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    results = await soon(asyncio.gather(*(run(orchestrator, keyed()) for _ in range(20))))
    assert [result.data for result in results] == [1] * 20
    assert len(worker.ran) == 1


async def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    await run(orchestrator, keyed(1))
    with pytest.raises(IdempotencyConflict):
        await orchestrator.submit_task(keyed(2))
    assert len(worker.ran) == 1


async def test_a_body_with_a_secret_is_the_same_body_the_second_time(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    for _ in range(2):
        task = Task(idempotency_key="k", payload={"password": "correct horse"})
        assert (await run(orchestrator, task)).success
    assert len(worker.ran) == 1
    with pytest.raises(IdempotencyConflict):
        await orchestrator.submit_task(Task(idempotency_key="k", payload={"password": "wrong horse"}))


async def test_other_keys_are_other_tasks(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    await run(orchestrator, keyed(key="a"))
    await run(orchestrator, keyed(key="b"))
    assert len(worker.ran) == 2


async def test_a_key_is_forgotten_after_its_time(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker, idempotency_ttl_seconds=1e-6)
    await run(orchestrator, keyed())
    await run(orchestrator, keyed())
    assert len(worker.ran) == 2


async def test_a_key_holds_across_a_restart(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    await run(orchestrator, keyed())
    await soon(orchestrator.stop())
    assert (await run(orchestrator, keyed())).data == 1
    assert len(worker.ran) == 1
