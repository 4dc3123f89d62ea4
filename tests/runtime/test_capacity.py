"""What may run where, now; the clock is the test's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support import Scripted, needs, settings
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.models import Task
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.runtime.capacity import Capacity, Seat, Wait
from vera_orchestrator.runtime.entry import Entry, group_of
from vera_orchestrator.workers.registry import WorkerRegistry


class Stage:
    """A capacity with workers, and the limits that hold."""

    def __init__(self, home: Path, *workers: Scripted, **more: Any) -> None:
        self.registry = WorkerRegistry()
        for worker in workers:
            worker.status = WorkerStatus.IDLE
            self.registry.add(worker)
        self.limits: dict[str, int] = {}
        self.capacity = Capacity(self.registry, TaskRouter(), settings(home, **more), lambda: self.limits)

    def admit(self, task: Task, now: float = 0.0) -> Seat | Wait:
        return self.capacity.admit(entry_of(task), now)

    def take(self, task: Task, now: float = 0.0) -> tuple[Entry, Seat]:
        entry = entry_of(task)
        seat = self.capacity.admit(entry, now)
        assert isinstance(seat, Seat)
        self.capacity.take(entry, seat, now)
        return entry, seat

    def wait(self, task: Task, now: float = 0.0) -> Wait:
        wait = self.admit(task, now)
        assert isinstance(wait, Wait)
        return wait


def entry_of(task: Task) -> Entry:
    return Entry(key=1, fence=1, owner=1, task=task, group=group_of(task), payload=task.payload, entered=0.0)


@pytest.fixture(autouse=True)
async def _loop() -> None:
    """Entries belong to an event loop."""
    asyncio.get_running_loop()


async def test_a_worker_with_a_free_slot_takes_the_task(tmp_path: Path) -> None:
    worker = Scripted(slots=1)
    stage = Stage(tmp_path, worker)
    stage.take(Task())
    assert (worker.running, worker.status) == (1, WorkerStatus.BUSY)


async def test_a_full_worker_is_waited_for_until_it_gives_a_slot_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted(slots=1))
    entry, seat = stage.take(Task())
    wait = stage.wait(Task())
    assert (wait.status, wait.reason, wait.until) == (TaskStatus.WAITING_RESOURCES, "scripted is busy", None)
    freed = stage.capacity.give_back(entry, seat, 1.0, worker_failed=False)
    assert wait.tokens & set(freed)
    assert isinstance(stage.admit(Task()), Seat)


async def test_nothing_fits_is_another_thing_than_busy_or_away(tmp_path: Path) -> None:
    worker = Scripted()
    stage = Stage(tmp_path, worker)
    nothing = stage.wait(Task(requirements=needs("wings")))
    assert (nothing.nothing_fits, nothing.unreachable) == (True, False)
    assert nothing.reason == "no worker can run it: it needs wings"
    worker.status, worker.status_reason = WorkerStatus.ERROR, "no power"
    away = stage.wait(Task())
    assert (away.nothing_fits, away.unreachable, away.reason) == (False, True, "scripted is error (no power)")


@pytest.mark.parametrize("status", [WorkerStatus.STARTING, WorkerStatus.OVERLOADED])
async def test_a_worker_that_will_be_back_by_itself_is_not_away(tmp_path: Path, status: WorkerStatus) -> None:
    worker = Scripted()
    stage = Stage(tmp_path, worker)
    worker.status = status
    assert not stage.wait(Task()).unreachable


async def test_a_rate_says_when_it_will_allow_the_next_task(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted(rate_limit_per_minute=60))
    for _ in range(10):
        stage.take(Task(), now=5.0)
    wait = stage.wait(Task(), now=5.0)
    assert wait.status is TaskStatus.RATE_LIMITED
    assert wait.until == pytest.approx(6.0)
    assert isinstance(stage.admit(Task(), now=wait.until or 0.0), Seat)


async def test_a_breaker_opens_closes_and_opens_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted(), breaker_failures=2, breaker_seconds=10)

    def attempt(now: float, *, fails: bool) -> None:
        entry, seat = stage.take(Task(), now)
        stage.capacity.give_back(entry, seat, now, worker_failed=fails)

    attempt(0.0, fails=True)
    attempt(0.0, fails=False)
    attempt(0.0, fails=True)
    attempt(0.0, fails=True)
    assert stage.wait(Task(), now=9.9).until == 10.0
    entry, seat = stage.take(Task(), now=10.1)
    assert stage.wait(Task(), now=10.1).reason == "scripted is on probation with one task"
    stage.capacity.give_back(entry, seat, 10.2, worker_failed=True)
    assert stage.wait(Task(), now=20.0).until == pytest.approx(20.2)
    attempt(20.3, fails=False)
    stage.take(Task(), now=20.3)
    stage.take(Task(), now=20.3)


async def test_an_attempt_that_says_nothing_of_the_worker_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted(), breaker_failures=2)
    for verdict in (True, None, None):
        entry, seat = stage.take(Task())
        stage.capacity.give_back(entry, seat, 0.0, worker_failed=verdict)
    assert isinstance(stage.admit(Task()), Seat)


async def test_limits_of_types_and_keys_are_counted_and_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted())
    stage.limits["custom"] = 2
    entry, seat = stage.take(Task(concurrency_key="k"))
    assert stage.capacity.slots(entry.group) == {"type:custom": 2, "key:k": 1}
    assert stage.wait(Task(concurrency_key="k")).reason == "the limit key:k of 1 is reached"
    stage.take(Task())
    wait = stage.wait(Task())
    assert wait.reason == "the limit type:custom of 2 is reached"
    assert wait.tokens <= set(stage.capacity.give_back(entry, seat, 0.0, worker_failed=None))
    assert isinstance(stage.admit(Task(concurrency_key="k")), Seat)


async def test_a_limit_of_0_lets_nothing_through(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Scripted())
    stage.limits["custom"] = 0
    assert stage.wait(Task()).reason == "the limit type:custom of 0 is reached"


async def test_tasks_that_not_all_workers_accept_form_a_group_of_their_own(tmp_path: Path) -> None:
    class Choosy(Scripted):
        def accepts(self, task: Task) -> bool:
            return self.worker_id in task.tags

    stage = Stage(tmp_path, Choosy(worker_id="a", slots=1), Choosy(worker_id="b", slots=1))
    stage.take(Task(tags=["a"]))
    stage.take(Task(tags=["b"]))
    both, only_a, only_b = (stage.wait(Task(tags=tags)).group for tags in (["a", "b"], ["a"], ["b"]))
    assert both == group_of(Task())
    assert len({both, only_a, only_b}) == 3
    assert stage.wait(Task(tags=["a"])).group == only_a
    stage.capacity.workers_changed()
    assert stage.wait(Task(tags=["a"])).group != only_a


async def test_a_replaced_worker_begins_with_a_clean_slate_and_the_old_slot_is_given_back_to_the_old(
    tmp_path: Path,
) -> None:
    old, new = Scripted(worker_id="w", slots=1), Scripted(worker_id="w", slots=1)
    stage = Stage(tmp_path, old)
    entry, seat = stage.take(Task())
    new.status = WorkerStatus.IDLE
    stage.registry.add(new)
    stage.capacity.workers_changed()
    stage.take(Task())
    stage.capacity.give_back(entry, seat, 0.0, worker_failed=False)
    assert (old.running, new.running) == (0, 1)
