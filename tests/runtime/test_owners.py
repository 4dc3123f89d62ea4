"""Several orchestrators on one journal: who runs what, and what becomes of a dead one's tasks."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import PATIENCE, Gate, Scripted, needs, orchestrator, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator


async def abandon(one: Orchestrator) -> None:
    """Leave an orchestrator as if its process had died: nothing is given back, and its lock is gone."""
    parts = one._parts  # pyright: ignore[reportPrivateUsage]
    parts.dispatcher.hold()
    await parts.services.stop()
    ownership = parts.ownership
    assert ownership._task is not None and ownership._alive is not None  # pyright: ignore[reportPrivateUsage]
    ownership._task.cancel()  # pyright: ignore[reportPrivateUsage]
    os.close(ownership._alive._descriptor)  # pyright: ignore[reportPrivateUsage]
    ownership._alive = None  # pyright: ignore[reportPrivateUsage]


async def until_noted_as_running(one: Orchestrator, task_id: str) -> None:
    """Wait until the journal says so: an attempt does not wait for that."""
    async with asyncio.timeout(PATIENCE):
        while (row := await one._given.journal.task(task_id)) is None or row.status is not TaskStatus.RUNNING:  # pyright: ignore[reportPrivateUsage]
            pass


async def test_a_task_that_only_another_can_run_is_run_there_and_waited_for_here(make_shared: Make) -> None:
    theirs = Scripted(worker_id="theirs", capabilities=["theirs"])
    first = await make_shared(theirs)
    second = await make_shared(Scripted(worker_id="ours", capabilities=["ours"]))
    task = Task(requirements=needs("theirs"), payload={"data": 1})
    result = await run(second, task)
    assert (result.data, result.worker_id) == (1, "theirs")
    assert task.status is TaskStatus.COMPLETED
    assert task.result is not None and task.result.data == 1
    assert first.metrics["tasks_completed"] == 1


async def test_it_is_run_there_whichever_of_them_was_started_first(make_shared: Make) -> None:
    first = await make_shared(Scripted(worker_id="ours", capabilities=["ours"]))
    await make_shared(Scripted(worker_id="theirs", capabilities=["theirs"]))
    assert (await run(first, Task(requirements=needs("theirs")))).worker_id == "theirs"


async def test_a_batch_may_be_run_by_several_together(make_shared: Make) -> None:
    one = await make_shared(Scripted(worker_id="x", capabilities=["x"]))
    await make_shared(Scripted(worker_id="y", capabilities=["y"]))
    tasks = [
        Task(id="a", requirements=needs("x"), payload={"data": [1]}),
        Task(id="b", requirements=needs("y"), payload={"data": "{a}"}, depends_on=["a"]),
        Task(id="c", requirements=needs("x"), payload={"data": "{b}"}, depends_on=["b"]),
    ]
    results = await run_batch(one, tasks)
    assert [(result.data, result.worker_id) for result in results] == [([1], "x"), ([1], "y"), ([1], "x")]


async def test_hooks_are_called_for_a_task_that_was_run_elsewhere(make_shared: Make) -> None:
    await make_shared(Scripted(worker_id="theirs", capabilities=["theirs"]))
    one = await make_shared()
    told: list[Any] = []
    await run(one, Task(requirements=needs("theirs"), on_complete=told.append))
    assert [result.success for result in told] == [True]


async def test_a_task_can_be_waited_for_and_read_anywhere(make_shared: Make) -> None:
    gate = Gate()
    one, two = await make_shared(gate), await make_shared()
    await one.submit_task(Task(id="t", payload={"data": 1}))
    await gate.next()
    await until_noted_as_running(one, "t")
    seen = await two.get_task("t")
    assert seen is not None and seen.status is TaskStatus.RUNNING
    gate.open()
    assert (await soon(two.wait_for("t"))).data == 1


async def test_the_tasks_of_a_dead_one_are_taken_over_with_one_attempt_used(make_shared: Make) -> None:
    gate, heir = Gate(worker_id="w", slots=1), Scripted(worker_id="w")
    dead = await make_shared(gate)
    await dead.submit_task(Task(id="ran", payload={"data": 1}))
    await dead.submit_task(Task(id="waited"))
    await dead.submit_task(Task(id="once", max_retries=0, concurrency_key="k"))
    await gate.next()
    await until_noted_as_running(dead, "ran")
    await abandon(dead)
    living = await make_shared(heir)
    assert (await soon(living.wait_for("ran"))).data == 1
    assert (await soon(living.wait_for("waited"))).success
    assert (await soon(living.wait_for("once"))).success
    counts = {name: (await living.get_task(name) or Task()).retry_count for name in ("ran", "waited", "once")}
    assert counts == {"ran": 1, "waited": 0, "once": 0}


async def test_a_task_that_may_not_run_twice_fails_when_its_process_dies(make_shared: Make) -> None:
    gate = Gate()
    dead = await make_shared(gate)
    await dead.submit_task(Task(id="t", max_retries=0))
    await gate.next()
    await abandon(dead)
    heir = Scripted()
    living = await make_shared(heir)
    result = await soon(living.wait_for("t"))
    assert (result.success, result.error_type) == (False, "TaskInterrupted")
    assert heir.ran == []


async def test_a_task_that_kills_every_process_it_runs_in_is_not_tried_for_ever(tmp_path: Path) -> None:
    attempts = 0
    while attempts < 10:
        gate = Gate()
        one = orchestrator(tmp_path / "state", gate, drain_seconds=0)
        await soon(one.start())
        if not attempts:
            await one.submit_task(Task(id="poison", max_retries=2))
        await until(lambda: not gate.entered.empty() or one.metrics["tasks_failed"])  # noqa: B023
        if one.metrics["tasks_failed"]:
            break
        attempts += 1
        await until_noted_as_running(one, "poison")
        await abandon(one)
    else:
        pytest.fail("it was tried ten times")
    assert attempts == 3
    result = await soon(one.wait_for("poison"))
    assert result.error_type == "TaskInterrupted"
    await soon(one.stop())


async def test_the_living_take_over_from_one_that_dies_beside_them(make_shared: Make) -> None:
    living = await make_shared(Scripted(worker_id="a"))
    gate = Gate(worker_id="b")
    dead = await make_shared(gate)
    await dead.submit_task(Task(id="t", payload={"data": 1}))
    await gate.next()
    await abandon(dead)
    assert (await soon(living.wait_for("t"))).worker_id == "a"


async def test_one_that_was_given_up_for_dead_begins_anew_and_loses_nothing(make_shared: Make) -> None:
    gate = Gate()
    one = await make_shared(gate)
    parts = one._parts  # pyright: ignore[reportPrivateUsage]
    single = Task(id="t", payload={"data": 1})
    batch = [Task(id="a", payload={"data": 2}), Task(id="b", depends_on=["a"], payload={"data": "{a}"})]
    await one.submit_task(single)
    await one.submit_batch(batch, batch_id="b1")
    await gate.next()
    await gate.next()
    waiter, batch_waiter = asyncio.create_task(one.wait_for("t")), asyncio.create_task(one.wait_for_batch("b1"))
    await asyncio.sleep(0)
    await one._given.journal.remove_owner(parts.ownership.number)  # pyright: ignore[reportPrivateUsage]
    await until(lambda: one._parts is not parts)  # pyright: ignore[reportPrivateUsage]
    gate.open()
    assert (await soon(waiter)).data == 1
    assert [result.data for result in await soon(batch_waiter)] == [2, 2]
    assert [task.status for task in (single, *batch)] == [TaskStatus.COMPLETED] * 3


async def test_who_submits_to_one_that_was_given_up_for_dead_notices_nothing(make_shared: Make) -> None:
    one = await make_shared(Scripted(), lease_renew_seconds=3_600)
    for _ in range(2):
        await one._given.journal.remove_owner(one._parts.ownership.number)  # pyright: ignore[reportPrivateUsage]
        results = await soon(asyncio.gather(*(run(one, Task(payload={"data": number})) for number in range(5))))
        assert [result.data for result in results] == list(range(5))
    await one._given.journal.remove_owner(one._parts.ownership.number)  # pyright: ignore[reportPrivateUsage]
    assert [result.success for result in await run_batch(one, [Task(id="a"), Task(id="b", depends_on=["a"])])] == [
        True
    ] * 2


async def test_a_recovered_task_waits_for_its_worker_to_be_registered(make: Make) -> None:
    gate = Gate(worker_id="late", capabilities=["late"])
    one = await make(gate)
    await one.submit_task(Task(id="t", requirements=needs("late")))
    await gate.next()
    await soon(one.stop())
    await one.worker_registry.unregister("late")
    await soon(one.start())
    await until(lambda: one._parts.recovery.leftover)  # pyright: ignore[reportPrivateUsage]
    await one.worker_registry.register(Scripted(worker_id="late", capabilities=["late"]))
    assert (await soon(one.wait_for("t"))).success


async def test_a_recovered_task_fails_once_nobody_has_come_for_it_in_time(make: Make) -> None:
    gate = Gate(worker_id="late", capabilities=["late"])
    one = await make(gate, recovery_grace_seconds=0)
    await one.submit_task(Task(id="t", requirements=needs("late")))
    await gate.next()
    await soon(one.stop())
    await one.worker_registry.unregister("late")
    await soon(one.start())
    assert (await soon(one.wait_for("t"))).error_type == "NoWorker"


async def test_a_recovered_task_that_waits_for_its_worker_can_be_cancelled(make: Make) -> None:
    gate = Gate(worker_id="late", capabilities=["late"])
    one = await make(gate)
    await one.submit_task(Task(id="t", requirements=needs("late")))
    await gate.next()
    await soon(one.stop())
    await one.worker_registry.unregister("late")
    await soon(one.start())
    await until(lambda: one._parts.recovery.leftover)  # pyright: ignore[reportPrivateUsage]
    assert await one.cancel_task("t")
    assert (await soon(one.wait_for("t"))).error_type == "TaskCancelled"


async def test_leaving_frees_the_place_for_others_at_once(make_shared: Make, tmp_path: Path) -> None:
    gate = Gate(worker_id="w")
    one = await make_shared(gate)
    two = await make_shared(Scripted(worker_id="v"))
    await one.submit_task(Task(id="t"))
    await gate.next()
    began = time.monotonic()
    await soon(one.stop())
    assert (await soon(two.wait_for("t"))).worker_id == "v"
    assert time.monotonic() - began < two.config.lease_seconds
    assert len(list((tmp_path / "state" / "owners").iterdir())) == 1
