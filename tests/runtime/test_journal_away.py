"""What happens to tasks while the journal cannot be reached for a moment, and to one that finds itself given up."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.test_owners import abandon
from tests.support import Gate, Scripted, needs, orchestrator, run, soon, until
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.records import Added
from vera_orchestrator.models import Task, TaskResult


class Refusing(MemoryJournal):
    """Refuses all tasks, some time after it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.refuse = asyncio.Event()

    async def add(self, *_: Any, **__: Any) -> Added:
        self.asked.set()
        await self.refuse.wait()
        raise JournalUnavailable("the connection was refused")


class Unmarked(MemoryJournal):
    """Cannot write the next `refusals` marks that a task runs."""

    refusals = 1

    def started(self, key: int, fence: int, **more: Any) -> Awaitable[bool]:
        if not self.refusals:
            return super().started(key, fence, **more)
        self.refusals -= 1
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        future.set_exception(JournalUnavailable("the connection was refused"))
        return future


async def test_a_task_that_may_not_run_twice_waits_for_its_mark_while_the_journal_is_away(tmp_path: Path) -> None:
    worker = Scripted()
    async with orchestrator(tmp_path, worker, journal=Unmarked()) as one:
        assert (await run(one, Task(id="once", max_retries=0))).success
    assert worker.ran == ["once"]


async def test_a_mark_that_could_not_be_written_is_no_error_that_nobody_takes(tmp_path: Path) -> None:
    """Found by seed 5 on PostgreSQL: asyncio reported a future's exception that was never retrieved."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with orchestrator(tmp_path, Scripted(), journal=Unmarked()) as one:
        assert (await run(one, Task())).success
    gc.collect()
    assert unhandled == []


async def test_a_refusal_whose_caller_went_away_is_no_error_that_nobody_takes(tmp_path: Path) -> None:
    """Found by seed 60 on PostgreSQL: a program that stopped was told of a task's exception by asyncio."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    journal = Refusing()
    async with orchestrator(tmp_path, Scripted(), journal=journal) as one:
        caller = asyncio.create_task(one.submit_task(Task()))
        await soon(journal.asked.wait())
        caller.cancel()
        await asyncio.wait({caller})
        journal.refuse.set()
    del caller  # its traceback holds what it waited for
    gc.collect()
    assert unhandled == []


async def test_one_that_finds_itself_given_up_at_a_look_at_others_begins_anew_at_once(
    make_on_disk: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by seed 4 on PostgreSQL: it logged a traceback, and went on as nobody until the next renewal."""
    one = await make_on_disk(Scripted(), lease_renew_seconds=3_600)
    parts = one._parts  # pyright: ignore[reportPrivateUsage]
    await one._given.journal.remove_owner(parts.ownership.number)  # pyright: ignore[reportPrivateUsage]
    parts.services.want_claim()
    await until(lambda: one._parts is not parts and one.is_running)  # pyright: ignore[reportPrivateUsage]
    assert (await soon(one.submit_task(Task(id="t")))) == "t"
    assert [entry for entry in caplog.records if entry.levelno >= logging.ERROR] == []


async def test_who_cancels_through_one_that_was_given_up_for_dead_notices_nothing(make_on_disk: Make) -> None:
    """Found by seed 41 on PostgreSQL: the caller got LeaseLost."""
    gate = Gate(worker_id="late", capabilities=["late"])
    one = await make_on_disk(gate, lease_renew_seconds=3_600)
    await one.submit_task(Task(id="t", requirements=needs("late")))
    await gate.next()
    await soon(one.stop())
    await one.worker_registry.unregister("late")
    await soon(one.start())
    await until(lambda: one._parts.recovery.leftover)  # pyright: ignore[reportPrivateUsage]
    await one._given.journal.remove_owner(one._parts.ownership.number)  # pyright: ignore[reportPrivateUsage]
    assert await soon(one.cancel_task("t"))
    assert (await soon(one.wait_for("t"))).error_type == "TaskCancelled"


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_confirmed_cancellation_binds_whoever_takes_the_task_over(
    make_on_disk: Make, tmp_path: Path, is_batch: bool
) -> None:
    """Found by seed 50 on PostgreSQL: its end could not be written, and the next owner ran it as if nothing was."""
    entered, released = asyncio.Event(), asyncio.Event()

    async def stubborn(task: Task) -> TaskResult:
        entered.set()
        try:
            return await asyncio.Future()
        finally:
            await released.wait()

    dead = orchestrator(tmp_path / "state", Scripted(stubborn))
    await soon(dead.start())
    await dead.submit_batch([Task(id="t")], batch_id="b")
    await soon(entered.wait())
    assert await soon(dead.cancel_batch("b") if is_batch else dead.cancel_task("t"))
    await abandon(dead)
    heir = Scripted()
    living = await make_on_disk(heir)
    assert (await soon(living.wait_for("t"))).error_type == "TaskCancelled"
    assert heir.ran == []
    released.set()
