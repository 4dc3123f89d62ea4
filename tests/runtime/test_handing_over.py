"""A task that changes hands is in one pair of hands at a time, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, needs, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable, OrchestratorStopped
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator


def journal_of(one: Orchestrator) -> Journal:
    return one._given.journal  # pyright: ignore[reportPrivateUsage]


async def status_of(one: Orchestrator, task_id: str) -> TaskStatus:
    row = await journal_of(one).task(task_id)
    assert row is not None
    return row.status


@pytest.mark.parametrize("max_retries", [0, 3])
async def test_what_was_given_up_without_an_answer_runs_once_after_resume(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch, max_retries: int
) -> None:
    gate = Gate(slots=1)
    one = await make_shared(gate)
    await one.submit_task(Task(id="first"))
    await gate.next()
    await one.submit_task(Task(id="second", max_retries=max_retries))
    journal = journal_of(one)
    give_up = journal.give_up

    async def unheard(rows: Any) -> Any:
        await give_up(rows)
        monkeypatch.undo()
        raise JournalUnavailable("the answer was lost.")

    monkeypatch.setattr(journal, "give_up", unheard)
    with pytest.raises(TimeoutError):
        await one.drain(timeout=0.3)

    await one.resume()
    gate.open()

    assert (await soon(one.wait_for("second"))).success
    assert (await soon(one.wait_for("first"))).success
    assert gate.ran.count("second") == 1


async def test_what_could_not_be_given_up_stays_and_is_run_after_resume(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(slots=1)
    one = await make_shared(gate)
    await one.submit_task(Task(id="first"))
    await gate.next()
    await one.submit_task(Task(id="second"))

    async def refuse(_: Any) -> Any:
        raise JournalUnavailable("the database is away.")

    monkeypatch.setattr(journal_of(one), "give_up", refuse)
    with pytest.raises(TimeoutError):
        await one.drain(timeout=0.3)
    monkeypatch.undo()

    await one.resume()
    gate.open()

    assert (await soon(one.wait_for("second"))).success


async def test_draining_is_broken_off_by_resume(make_shared: Make) -> None:
    gate = Gate()
    one = await make_shared(gate)
    await one.submit_task(Task(id="t"))
    await gate.next()
    draining = asyncio.create_task(one.drain())
    await until(lambda: one.is_draining)

    await one.resume()

    with pytest.raises(OrchestratorStopped):
        await soon(draining)
    gate.open()
    assert (await soon(one.wait_for("t"))).success


async def test_what_arrives_in_a_drained_one_is_passed_on(make_shared: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await make_shared(Scripted(worker_id="one")), await make_shared(Scripted(worker_id="other"))
    journal = journal_of(one)
    add, asked, go_on = journal.add, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **more: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await add(*arguments, **more)

    monkeypatch.setattr(journal, "add", slow)
    late = asyncio.create_task(one.submit_task(Task(id="late")))
    await asked.wait()
    draining = asyncio.create_task(one.drain())
    await until(lambda: one.is_draining)
    go_on.set()

    await soon(late)
    await soon(draining)

    assert (await soon(other.wait_for("late"))).worker_id == "other"


async def test_who_cancels_and_goes_away_leaves_no_task_behind(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker_id="x", capabilities=["x"])
    former = await make_shared(gate)
    await former.submit_task(Task(id="t", requirements=needs("x")))
    await gate.next()
    await soon(former.stop())  # which leaves the task to whoever has a worker for it
    one = await make_shared(recovery_grace_seconds=60)
    journal = journal_of(one)
    claim, claimed = journal.claim, asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        rows = await claim(*arguments)
        claimed.set()
        await asyncio.Event().wait()
        return rows

    monkeypatch.setattr(journal, "claim", slow)
    caller = asyncio.create_task(one.cancel_task("t"))
    await soon(claimed.wait())
    caller.cancel()
    await asyncio.wait({caller})
    monkeypatch.undo()

    await soon(one.cancel_task("t"))

    assert not (await soon(one.wait_for("t"))).success
    assert await status_of(one, "t") is TaskStatus.CANCELLED


async def test_a_batch_that_is_retried_before_its_end_was_written_goes_on(
    make_shared: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker_id="x", capabilities=["x"])
    one = await make_shared(gate)
    journal = journal_of(one)
    batch_ended, asked, go_on = journal.batch_ended, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await batch_ended(*arguments)

    monkeypatch.setattr(journal, "batch_ended", slow)
    batch_id = str(await one.submit_batch([Task(id="t", requirements=needs("x"))]))
    await gate.next()
    await one.cancel_task("t")
    await soon(asked.wait())
    assert await one.retry_batch(batch_id) == ["t"]
    monkeypatch.undo()
    go_on.set()
    gate.open()

    results = await soon(one.wait_for_batch(batch_id))

    assert [result.success for result in results] == [True]
    batch = await one.get_batch(batch_id)
    assert batch is not None and batch.status is TaskStatus.COMPLETED
