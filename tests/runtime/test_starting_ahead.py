"""A task for a metered worker that can start at once has its reservation made while it is committed itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.metered import Held, Metered, metered, use_it_all
from tests.support import Scripted, orchestrator, run, soon, until
from vera_orchestrator.errors import DuplicateTaskId, JournalUnavailable
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.records import Added
from vera_orchestrator.journal.writer import failed
from vera_orchestrator.metering import Channel, Spent
from vera_orchestrator.models import Task, TaskResult, utcnow
from vera_orchestrator.quota import Limits
from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.runtime.events import Event, TaskEvent
from vera_orchestrator.runtime.orchestrator import Orchestrator


class Slow(MemoryJournal):
    """Takes tasks when it is told to, or refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.refuses = False

    async def add(self, *items: Any, **options: Any) -> Added:
        self.asked.set()
        await self.go_on.wait()
        if self.refuses:
            raise JournalUnavailable("the disk is full")
        return await super().add(*items, **options)


class Away(MemoryJournal):
    """Takes neither tasks nor what they have used while it is away."""

    is_away = False

    def add(self, *items: Any, **options: Any) -> Awaitable[Added]:
        return failed(JournalUnavailable("the disk is full")) if self.is_away else super().add(*items, **options)


def used(one: Orchestrator) -> int:
    total = one.spent_today(["all models"]).get("all models")
    return 0 if total is None else total.amounts.tokens


async def test_nothing_begins_before_its_task_is_committed(tmp_path: Path) -> None:
    journal, worker = Slow(), Metered()
    async with orchestrator(tmp_path, worker, journal=journal) as one:
        events: list[Event] = []
        one.events.subscribe(events.append)
        submitting = asyncio.create_task(run(one, metered("t", tokens=50)))
        await until(lambda: used(one) == 50)
        assert (worker.ran, events, await one.get_task("t")) == ([], [], None)
        assert one.get_status()["metrics"]["queued_tasks"] == 0
        journal.go_on.set()
        assert (await soon(submitting)).success
        kinds = [event.kind for event in events if isinstance(event, TaskEvent)]
        assert kinds[:2] == ["accepted", "started"]


async def test_a_task_that_is_not_committed_leaves_nothing_behind(tmp_path: Path) -> None:
    journal, worker = Slow(), Metered(limits=Limits(tokens_per_day=100))
    async with orchestrator(tmp_path, worker, journal=journal) as one:
        task = metered("t", tokens=80)
        submitting = asyncio.create_task(one.submit_task(task))
        await until(lambda: used(one) == 80)
        journal.refuses = True
        journal.go_on.set()
        with pytest.raises(JournalUnavailable, match="the disk is full"):
            await soon(submitting)
        await until(lambda: used(one) == 0)
        assert (worker.ran, worker.running, await one.get_task("t"), task.submitted_at) == ([], 0, None, None)
        journal.refuses = False
        assert (await run(one, task)).success


async def test_a_second_task_with_the_id_of_one_that_runs_is_refused_and_reserves_nothing(make: Make) -> None:
    held = Held()
    one = await make(Metered(behaviour=held))
    await one.submit_task(metered("same", tokens=50))
    await soon(held.begun.wait())
    with pytest.raises(DuplicateTaskId):
        await one.submit_task(metered("same", tokens=7))
    assert used(one) == 50
    held.go_on.set()
    assert (await soon(one.wait_for("same"))).success


async def test_of_two_with_one_id_at_once_one_runs(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    tasks = [metered("same", tokens=tokens) for tokens in (5, 50)]
    outcomes = await asyncio.gather(*(one.submit_task(task) for task in tasks), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, DuplicateTaskId]
    assert (await soon(one.wait_for("same"))).success
    await until(lambda: used(one) == 5)
    assert (worker.ran, worker.running) == (["same"], 0)


async def test_an_answer_from_the_cache_does_not_wait_for_a_reservation(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    assert (await run(one, metered("first", cached_as="k", data="kept"))).success
    result = await run(one, metered("second", cached_as="k"))
    assert (result.data, result.metrics["cached"], worker.ran) == ("kept", True, ["first"])


async def test_what_has_to_wait_for_a_time_or_another_task_reserves_nothing_yet(make: Make) -> None:
    held = Held()
    one = await make(Metered(behaviour=held))
    await one.submit_task(metered("first", tokens=10))
    await soon(held.begun.wait())
    later = metered("later", tokens=20)
    later.scheduled_at = utcnow() + timedelta(hours=1)
    behind = metered("behind", tokens=20)
    behind.depends_on = ["first"]
    for task in (later, behind):
        await one.submit_task(task)
    assert used(one) == 10
    held.go_on.set()


async def test_a_task_does_not_overtake_those_that_wait(make: Make) -> None:
    held = Held()
    worker = Metered(behaviour=held)
    one = await make(worker, max_concurrent_tasks=1)
    for name in ("first", "second", "third"):
        await one.submit_task(metered(name))
    held.go_on.set()
    for name in ("first", "second", "third"):
        assert (await soon(one.wait_for(name))).success
    assert worker.ran == ["first", "second", "third"]


async def test_a_task_of_an_unmetered_worker_is_committed_before_it_is_looked_at(tmp_path: Path) -> None:
    journal, worker = Slow(), Scripted()
    async with orchestrator(tmp_path, worker, journal=journal) as one:
        submitting = asyncio.create_task(run(one, Task(id="t")))
        await soon(journal.asked.wait())
        assert (worker.running, worker.ran) == (0, [])
        journal.go_on.set()
        assert (await soon(submitting)).success


async def test_a_stop_in_the_middle_leaves_the_task_to_the_next_life(tmp_path: Path) -> None:
    worker = Metered()
    journal = Slow()
    one = orchestrator(tmp_path, worker, journal=journal, drain_seconds=0)
    await soon(one.start())
    submitting = asyncio.create_task(one.submit_task(metered("t", tokens=50)))
    await until(lambda: used(one) == 50)
    stopping = asyncio.create_task(one.stop())
    await until(lambda: not one.is_running)
    journal.go_on.set()
    assert await soon(submitting) == "t"
    await soon(stopping)
    assert worker.ran == []


async def test_its_worker_sees_a_task_as_every_task_begins(make: Make) -> None:
    given: list[tuple[object, ...]] = []

    async def look(task: Task, channel: Channel) -> TaskResult:
        given.append((task.status, task.retry_count, task.submitted_at is not None))
        return await use_it_all(task, channel)

    one = await make(Metered(behaviour=look))
    task = metered("t")
    task.retry_count = 3
    assert (await run(one, task)).success
    assert given == [("queued", 0, True)]


async def test_a_router_is_asked_once_for_a_task_of_an_unmetered_worker(make: Make) -> None:
    class Asked(TaskRouter):
        times = 0

        def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
            self.times += 1
            return super().rank(task, candidates)

    router = Asked()
    one = await make(Scripted(), router=router)
    assert (await run(one, Task(id="t"))).success
    assert router.times == 1


async def test_however_many_are_refused_while_the_journal_is_away_one_gives_back_what_they_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, worker = Away(), Metered()
    settle = journal.ledger.settle

    def settle_if_there(key: str, spent: Spent | None) -> Awaitable[bool]:
        return failed(JournalUnavailable("the disk is full")) if journal.is_away else settle(key, spent)

    monkeypatch.setattr(journal.ledger, "settle", settle_if_there)
    async with orchestrator(tmp_path, worker, journal=journal) as one:
        journal.is_away = True
        for number in range(50):
            with pytest.raises(JournalUnavailable):
                await one.submit_task(metered(f"t{number}", tokens=10))
        await until(lambda: worker.running == 0)
        assert len(one._parts.dispatcher.unsettled) <= 1  # pyright: ignore[reportPrivateUsage]
        assert used(one) == 500
        journal.is_away = False
        await until(lambda: used(one) == 0)
        assert worker.ran == []


async def test_a_task_that_is_not_committed_yet_is_not_counted(tmp_path: Path) -> None:
    journal = Slow()
    async with orchestrator(tmp_path, Metered(), journal=journal) as one:
        journal.go_on.set()
        later = metered("later")
        later.scheduled_at = utcnow() + timedelta(hours=1)
        await one.submit_task(later)
        journal.go_on.clear()
        submitting = asyncio.create_task(run(one, metered("t", tokens=50)))
        await until(lambda: used(one) == 50)
        assert (one.metrics["active_tasks"], one.metrics["queued_tasks"], one.running_tasks()) == (0, 1, [])
        journal.go_on.set()
        assert (await soon(submitting)).success
