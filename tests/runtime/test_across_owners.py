"""What can be done through one orchestrator with the tasks of another on the same journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, echo, needs, orchestrator, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import JournalUnavailable, NotConfigured, OrchestratorStopped
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator


def journal_of(one: Orchestrator) -> Journal:
    return one._given.journal  # pyright: ignore[reportPrivateUsage]


async def test_a_running_task_is_cancelled_through_another(make_shared: Make) -> None:
    gate = Gate()
    owner, other = await make_shared(gate), await make_shared()
    await owner.submit_task(Task(id="t"))
    await gate.next()

    assert await other.cancel_task("t")

    result = await soon(other.wait_for("t"))
    assert not result.success and "it was cancelled" in str(result.error)
    task = await owner.get_task("t")
    assert task is not None and task.status is TaskStatus.CANCELLED
    assert not await other.cancel_task("t")


async def test_a_waiting_task_is_cancelled_through_another(make_shared: Make) -> None:
    gate = Gate(slots=1)
    owner, other = await make_shared(gate), await make_shared()
    await owner.submit_task(Task(id="first"))
    await gate.next()
    await owner.submit_task(Task(id="second"))

    assert await other.cancel_task("second")

    assert not (await soon(other.wait_for("second"))).success
    gate.open()
    assert (await soon(other.wait_for("first"))).success


async def test_a_batch_is_cancelled_through_another_wherever_its_tasks_are(make_shared: Make) -> None:
    ours, theirs = Gate(worker_id="x", capabilities=["x"]), Gate(worker_id="y", capabilities=["y"])
    one, two, third = await make_shared(ours), await make_shared(theirs), await make_shared()
    tasks = [Task(id="a", requirements=needs("x")), Task(id="b", requirements=needs("y"))]
    batch_id = await one.submit_batch(tasks)
    await asyncio.gather(ours.next(), theirs.next())

    assert await third.cancel_batch(str(batch_id)) == 2

    results = await soon(one.wait_for_batch(str(batch_id)))
    assert [result.success for result in results] == [False, False]
    batch = await two.get_batch(str(batch_id))
    assert batch is not None and [task.status for task in batch.tasks] == [TaskStatus.CANCELLED] * 2


async def test_fail_fast_reaches_tasks_that_another_runs(make_shared: Make) -> None:
    gate = Gate(worker_id="y", capabilities=["y"])

    async def fail_once_the_other_runs(task: Task) -> TaskResult:
        await gate.next()
        raise RuntimeError(f"boom in {task.id}")

    one = await make_shared(Scripted(fail_once_the_other_runs, worker_id="x", capabilities=["x"]))
    await make_shared(gate)
    far, near = Task(id="far", requirements=needs("y")), Task(id="near", requirements=needs("x"), max_retries=0)

    results = asyncio.create_task(run_batch(one, [far, near], fail_fast=True))

    assert [result.success for result in await soon(results)] == [False, False]
    assert far.status is TaskStatus.CANCELLED


async def test_a_cancellation_outlives_the_owner_it_was_meant_for(make_shared: Make) -> None:
    gate = Gate(worker_id="x", capabilities=["x"])
    owner, other = await make_shared(gate), await make_shared()
    await owner.submit_task(Task(id="t", requirements=needs("x")))
    await gate.next()
    await owner._parts.services.stop()  # pyright: ignore[reportPrivateUsage]  # it hears nothing any more
    assert await other.cancel_task("t")
    await journal_of(other).remove_owner(owner._parts.ownership.number)  # pyright: ignore[reportPrivateUsage]

    heir = await make_shared(Scripted(worker_id="x", capabilities=["x"]))

    assert not (await soon(heir.wait_for("t"))).success


async def test_a_drained_one_runs_nothing_more_and_the_others_go_on(make_shared: Make) -> None:
    gate, heir = Gate(worker_id="old", slots=1), Scripted(worker_id="new")
    old = await make_shared(gate)
    await old.submit_task(Task(id="running"))
    await gate.next()
    waiting = asyncio.create_task(run(old, Task(id="waiting", payload={"data": 1})))
    await until(lambda: old._parts.live.find("waiting") is not None)  # pyright: ignore[reportPrivateUsage]
    new = await make_shared(heir)

    draining = asyncio.create_task(old.drain())
    result = await soon(waiting)

    assert (result.data, result.worker_id) == (1, "new")
    assert not draining.done()
    with pytest.raises(OrchestratorStopped, match="drained"):
        await old.submit_task(Task())
    gate.open()
    await soon(draining)
    assert (await soon(new.wait_for("running"))).worker_id == "old"
    assert old.get_status()["is_draining"]


async def test_a_drained_one_takes_up_its_work_again(make_shared: Make) -> None:
    one = await make_shared(Scripted())
    await one.drain()

    await one.resume()

    assert (await run(one, Task(payload={"data": 2}))).data == 2


async def test_draining_gives_up_waiting_after_its_time(make_shared: Make) -> None:
    gate = Gate()
    one = await make_shared(gate)
    await one.submit_task(Task(id="long"))
    await gate.next()

    with pytest.raises(TimeoutError):
        await one.drain(timeout=0.01)

    gate.open()
    assert (await soon(one.wait_for("long"))).success


async def test_a_task_goes_to_another_whose_worker_can_be_reached(make_shared: Make) -> None:
    away, here = Scripted(worker_id="away", capabilities=["x"]), Scripted(worker_id="here", capabilities=["x"])
    one = await make_shared(away, unavailable_wait_seconds=0.1)
    away.status = WorkerStatus.OFFLINE
    one.worker_registry.changed()
    await make_shared(here)

    assert (await run(one, Task(requirements=needs("x")))).worker_id == "here"


async def test_what_was_written_but_never_acknowledged_is_run_all_the_same(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await make_shared(Scripted(echo))
    journal = journal_of(one)
    add = journal.add

    async def unheard(*arguments: Any, **more: Any) -> Any:
        await add(*arguments, **more)
        monkeypatch.undo()
        raise JournalUnavailable("the answer was lost.")

    monkeypatch.setattr(journal, "add", unheard)
    with pytest.raises(JournalUnavailable):
        await one.submit_task(Task(id="t", payload={"data": 3}))

    assert (await soon(one.wait_for("t"))).data == 3


async def test_what_was_claimed_but_never_acknowledged_is_run_all_the_same(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await make_shared(Scripted(worker_id="x", capabilities=["x"]))
    other = await make_shared(Scripted(worker_id="y", capabilities=["y"]))
    journal = journal_of(other)
    claim = journal.claim

    async def unheard(*arguments: Any) -> Any:
        await claim(*arguments)
        monkeypatch.undo()
        raise JournalUnavailable("the answer was lost.")

    monkeypatch.setattr(journal, "claim", unheard)

    assert (await run(one, Task(requirements=needs("y")))).worker_id == "y"


async def test_an_end_that_was_written_but_never_acknowledged_is_told_like_any_other(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await make_shared(Scripted())
    told: list[str] = []

    def note(task: Task, _: TaskResult) -> None:
        told.append(task.id)

    one.on_task_complete = note
    journal = journal_of(one)
    ended = journal.ended

    async def unheard(ending: Any) -> Any:
        await ended(ending)
        monkeypatch.undo()
        raise JournalUnavailable("the answer was lost.")

    monkeypatch.setattr(journal, "ended", unheard)

    assert (await run(one, Task(id="t", payload={"data": 4}))).data == 4
    assert told == ["t"]
    assert one.metrics["tasks_completed"] == 1


async def test_a_cancellation_that_comes_before_its_task_is_heeded_when_it_is_there(make_shared: Make) -> None:
    gate = Gate()
    owner, other = await make_shared(gate), await make_shared()
    await owner.submit_task(Task(id="t"))
    await gate.next()
    live = owner._parts.live  # pyright: ignore[reportPrivateUsage]
    entry = live.find("t")
    assert entry is not None
    live.drop(entry)  # as if it were still being taken in
    assert await other.cancel_task("t")
    await until(lambda: owner._parts.recovery.unheeded == 1)  # pyright: ignore[reportPrivateUsage]

    live.add(entry)

    assert not (await soon(other.wait_for("t"))).success


async def test_two_that_seal_secrets_with_different_keys_do_not_share_a_journal(
    make_shared: Make, tmp_path: Path
) -> None:
    one = await make_shared()
    stranger = orchestrator(tmp_path / "elsewhere", database_url=one.config.journal_url)

    with pytest.raises(NotConfigured, match=r"seal_key.*VERA_SEAL_KEY"):
        await stranger.start()

    assert len(await journal_of(one).owners()) == 1
    await stranger.stop()


async def test_a_batch_whose_end_nobody_wrote_is_ended_by_the_next_round_of_retention(make_shared: Make) -> None:
    one = await make_shared(Scripted())
    batch_id = str(await one.submit_batch([Task(), Task()]))
    await soon(one.wait_for_batch(batch_id))
    journal = journal_of(one)
    row = await journal.batch(batch_id)
    assert row is not None
    await journal.batch_ended(row.key, TaskStatus.RUNNING, None)  # pyright: ignore[reportArgumentType]  # as if never

    await one._parts.recovery.end_forgotten_batches(older_than=-1.0)  # pyright: ignore[reportPrivateUsage]

    batch = await one.get_batch(batch_id)
    assert batch is not None and batch.status is TaskStatus.COMPLETED and batch.completed_at is not None
