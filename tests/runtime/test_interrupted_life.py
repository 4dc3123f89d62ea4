"""Starts and stops that are broken off, a new beginning that fails at first, and waiters that go away."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, orchestrator, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import DuplicateTaskId, JournalUnavailable, OrchestratorStopped
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker


class Unwilling(MemoryJournal):
    """Refuses the next `refusals` owners."""

    refusals = 0

    async def join(self, **fields: Any) -> int:
        if self.refusals:
            self.refusals -= 1
            raise JournalUnavailable("it is locked")
        return await super().join(**fields)


async def give_up_for_dead(one: Orchestrator) -> None:
    """Remove an orchestrator's owner, as others do that take it for dead."""
    await one._given.journal.remove_owner(one._parts.ownership.number)  # pyright: ignore[reportPrivateUsage]


async def test_a_stop_whose_caller_is_cancelled_goes_on_and_can_be_waited_for(make_on_disk: Make) -> None:
    gate = Gate()
    one = await make_on_disk(gate, drain_seconds=60)
    await one.submit_task(Task(id="t"))
    await gate.next()
    caller = asyncio.create_task(one.stop())
    await until(lambda: not one.is_running)
    caller.cancel()
    await asyncio.wait({caller})
    second = asyncio.create_task(one.stop())
    gate.open()
    await soon(second)
    assert list((one.config.home / "owners").iterdir()) == []
    await soon(one.start())
    assert (await run(one, Task())).success


async def test_a_step_of_stop_that_fails_does_not_keep_the_others_from_running(make_on_disk: Make) -> None:
    one = await make_on_disk(Scripted())
    engine_stop = one.engine.stop

    async def broken() -> None:
        raise RuntimeError("no")

    one.engine.stop = broken
    with pytest.raises(RuntimeError, match="no"):
        await soon(one.stop())
    one.engine.stop = engine_stop
    assert list((one.config.home / "owners").iterdir()) == []
    await soon(one.start())
    assert (await run(one, Task())).success


async def test_a_start_whose_caller_is_cancelled_leaves_no_owner_behind(tmp_path: Path) -> None:
    entered = asyncio.Event()

    class Slow(Scripted):
        async def start(self) -> bool:
            entered.set()
            await asyncio.Event().wait()
            return True

    one = orchestrator(tmp_path, Slow())
    starting = asyncio.create_task(one.start())
    await soon(entered.wait())
    starting.cancel()
    await asyncio.wait({starting})
    assert list((tmp_path / "owners").iterdir()) == []
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "vera-lease"]
    await one._given.journal.open()  # pyright: ignore[reportPrivateUsage]
    assert await one._given.journal.owners() == []  # pyright: ignore[reportPrivateUsage]
    await soon(one.stop())


async def test_a_new_beginning_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal, gate = Unwilling(), Gate()
    async with orchestrator(tmp_path, gate, journal=journal, drain_seconds=0) as one:
        waiter = asyncio.create_task(run(one, Task(payload={"data": 1})))
        await gate.next()
        journal.refusals = 2
        gate.open()
        with caplog.at_level(logging.CRITICAL):
            await give_up_for_dead(one)
            assert (await run(one, Task())).success
        assert (await soon(waiter)).data == 1
        assert journal.refusals == 0


async def test_it_can_be_stopped_while_it_tries_to_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Unwilling()
    one = orchestrator(tmp_path, Scripted(), journal=journal, drain_seconds=0)
    await soon(one.start())
    journal.refusals = 1_000_000
    with caplog.at_level(logging.CRITICAL):
        await give_up_for_dead(one)
        caller = asyncio.create_task(one.submit_task(Task()))
        await until(lambda: journal.refusals < 1_000_000)
        await soon(one.stop())
    with pytest.raises(OrchestratorStopped):
        await soon(caller)
    journal.refusals = 0
    await soon(one.start())
    assert (await run(one, Task())).success
    await soon(one.stop())


async def test_a_caller_that_goes_away_does_not_break_off_a_new_beginning(tmp_path: Path) -> None:
    one = orchestrator(tmp_path, Gate(), auto_start=False, drain_seconds=0, lease_renew_seconds=3_600)
    await soon(one.start())
    parts = one._parts  # pyright: ignore[reportPrivateUsage]
    await give_up_for_dead(one)
    caller = asyncio.create_task(one.submit_task(Task()))
    await until(lambda: not one.is_running)
    caller.cancel()
    await asyncio.wait({caller})
    await until(lambda: one.is_running)
    assert one._parts is not parts  # pyright: ignore[reportPrivateUsage]
    assert await soon(one.submit_task(Task(id="t"))) == "t"
    await soon(one.stop())


async def test_a_batch_inside_a_task_that_finds_its_owner_removed_runs_after_the_new_beginning(
    make_on_disk: Make,
) -> None:
    one = await make_on_disk(Scripted(), lease_renew_seconds=3_600)
    one.worker_registry.add(ParallelBatchWorker(one))
    await soon(one.stop())
    await soon(one.start())
    look = one.get_batch
    removed: list[str] = []

    async def look_then_lose(batch_id: str) -> Any:
        found = await look(batch_id)
        if not removed:
            removed.append(batch_id)
            await give_up_for_dead(one)
        return found

    one.get_batch = look_then_lose
    task = Task(type="parallel_batch", payload={"tasks": [{"type": "custom", "payload": {"data": 1}}]})
    result = await run(one, task)
    assert [each["data"] for each in result.data] == [1]


async def test_waiting_for_a_task_with_a_time_limit_leaves_nothing_behind(make: Make) -> None:
    gate = Gate()
    one = await make(gate)
    await one.submit_task(Task(id="t"))
    await gate.next()
    entry = one._parts.live.find("t")  # pyright: ignore[reportPrivateUsage]
    assert entry is not None
    before = len(entry.waiters)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await one.wait_for("t", timeout=0.001)
    assert len(entry.waiters) == before


async def test_a_task_of_another_owner_is_watched_only_while_somebody_waits_for_it(make_on_disk: Make) -> None:
    gate = Gate()
    await (await make_on_disk(gate)).submit_task(Task(id="t"))
    await gate.next()
    two = await make_on_disk()
    with pytest.raises(TimeoutError):
        await two.wait_for("t", timeout=0.001)
    live = two._parts.live  # pyright: ignore[reportPrivateUsage]
    assert (live.foreign, live.foreign_waiters) == ({}, {})


async def test_what_is_asked_about_accepted_tasks_does_not_start_a_stopped_one(make: Make) -> None:
    one = await make(Scripted())
    await run(one, Task(id="t"))
    await soon(one.stop())
    for ask in (
        one.wait_for("t"),
        one.cancel_task("t"),
        one.retry_tasks(["t"]),
        one.wait_for_batch("b"),
        one.cancel_batch("b"),
        one.retry_batch("b"),
    ):
        with pytest.raises(OrchestratorStopped, match=r"start\(\)"):
            await ask
    assert not one.is_running


async def test_the_id_of_a_batch_that_has_not_ended_is_refused(make_on_disk: Make) -> None:
    gate = Gate()
    one, two = await make_on_disk(gate), await make_on_disk()
    await one.submit_batch([Task(id="a")], batch_id="b")
    await gate.next()
    for each in (one, two):
        with pytest.raises(DuplicateTaskId, match="has not ended"):
            await each.submit_batch([Task(id="x")], batch_id="b")
    assert await one.get_task("x") is None
    gate.open()
    await soon(one.wait_for_batch("b"))
    assert (await run_batch(one, [Task(id="a")], batch_id="b"))[0].success


async def test_of_two_batches_with_one_id_that_come_at_once_one_is_refused(make: Make) -> None:
    one = await make(Gate())
    both = await soon(
        asyncio.gather(*(one.submit_batch([Task()], batch_id="b") for _ in range(2)), return_exceptions=True)
    )
    assert [type(each) for each in both] == [str, DuplicateTaskId]


async def test_a_batch_whose_end_was_not_written_is_not_waited_for_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()

    async def forget(*_: Any) -> None:
        """Write nothing."""

    monkeypatch.setattr(journal, "batch_ended", forget)
    async with orchestrator(tmp_path, Scripted(), journal=journal) as one:
        await run_batch(one, [Task(id="a", payload={"data": 1})], batch_id="b")
        assert [result.data for result in await soon(one.wait_for_batch("b"))] == [1]


async def test_the_history_can_be_read_before_the_start_and_after_the_stop(tmp_path: Path) -> None:
    one = orchestrator(tmp_path, Scripted())
    assert one.get_task_history() == []
    await soon(one.start())
    await run(one, Task(id="t"))
    await soon(one.stop())
    assert [each["id"] for each in one.get_task_history(status_filter=TaskStatus.COMPLETED)] == ["t"]


async def test_the_history_shows_what_a_task_waits_for(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate)
    await one.submit_task(Task(id="runs"))
    await gate.next()
    await one.submit_task(Task(id="waits"))

    def waiting() -> list[str]:
        return [each["id"] for each in one.get_task_history(status_filter="waiting_resources")]

    await until(waiting)
    assert waiting() == ["waits"]
    assert {each["id"]: each["status"] for each in one.get_task_history()}["waits"] == "waiting_resources"
    assert one.get_task_history(0, "waiting_resources") == []
