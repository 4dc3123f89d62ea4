"""What must not keep unfinished tasks from being claimed: rows that nobody can read, and a journal that fails once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.test_owners import abandon, until_noted_as_running
from tests.support import Gate, Scripted, needs, orchestrator, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.models import Task, utcnow
from vera_orchestrator.runtime.orchestrator import Orchestrator


def row_of(key: int, task_id: str, **more: Any) -> TaskRow:
    """Return a row that nobody owns."""
    fields: dict[str, Any] = {"type": "custom", "spec": '{"payload":{}}', **more}
    return TaskRow(key=key, id=task_id, priority=2, submitted_at=0, **fields)


async def left_behind(home: Path, *rows: TaskRow) -> None:
    """Put rows into the journal of a state folder, as an earlier process would have."""
    one = orchestrator(home)
    await one._given.journal.open()  # pyright: ignore[reportPrivateUsage]
    for row in rows:
        await one._given.journal.add((row,))  # pyright: ignore[reportPrivateUsage]
    await one._given.journal.close()  # pyright: ignore[reportPrivateUsage]


UNREADABLE = {
    "an unknown type": {"type": "nobody-knows-it"},
    "a key that is a list": {"spec": '{"payload":{},"concurrency_key":["a"]}'},
    "a broken spec": {"spec": "{"},
    "a wait that is a word": {"spec": '{"payload":{},"max_wait_seconds":"long"}'},
    "an unknown field": {"spec": '{"payload":{},"colour":"red"}'},
}


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_run(
    make_on_disk: Make, tmp_path: Path, fields: dict[str, Any]
) -> None:
    await left_behind(tmp_path / "state", row_of(1, "bad", **fields), row_of(2, "good"))
    one = await make_on_disk(Scripted())
    assert (await soon(one.wait_for("good"))).success
    left = await one.get_task("bad")
    assert left is not None and not left.status.is_final
    assert {task["id"] for task in one.get_task_history()} == {"bad", "good"}
    row = await one._given.journal.task("bad")  # pyright: ignore[reportPrivateUsage]
    assert row is not None and row.status is TaskStatus.QUEUED


async def test_the_type_of_a_row_is_shown_even_where_nobody_has_registered_it(
    make_on_disk: Make, tmp_path: Path
) -> None:
    await left_behind(tmp_path / "state", row_of(1, "bad", type="nobody-knows-it", spec='{"payload":{"size":3}}'))
    one = await make_on_disk()
    task = await one.get_task("bad")
    assert task is not None
    assert (task.type, task.payload) == ("nobody-knows-it", {"size": 3})


class Once:
    """Lets a journal's method fail at its first call; the others go through."""

    def __init__(self, journal: Journal, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = getattr(journal, name)
        self.calls = 0
        monkeypatch.setattr(journal, name, self)

    def __call__(self, *arguments: Any, **more: Any) -> Awaitable[Any]:
        self.calls += 1
        return self._fail() if self.calls == 1 else self._real(*arguments, **more)

    async def _fail(self) -> Sequence[TaskRow]:
        raise JournalUnavailable("the database is locked.")


async def started(one: Orchestrator) -> Orchestrator:
    """Start an orchestrator."""
    await soon(one.start())
    return one


async def test_a_claim_that_fails_once_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await left_behind(tmp_path / "state", row_of(1, "t"))
    worker = Scripted()
    one = orchestrator(tmp_path / "state", worker)
    once = Once(one._given.journal, "unowned", monkeypatch)  # pyright: ignore[reportPrivateUsage]
    await started(one)
    await until(lambda: worker.ran)  # nobody asks for it: that alone would have it claimed
    assert once.calls >= 2
    await soon(one.stop())


@pytest.mark.parametrize("method", ["requeued", "rows"])
async def test_claimed_tasks_are_taken_charge_of_even_if_that_fails_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    gate = Gate()
    dead = await started(orchestrator(tmp_path / "state", gate))
    await dead.submit_batch([Task(id="t", payload={"data": 1}), Task(id="once", max_retries=0)])
    for _ in range(2):
        await gate.next()
    for name in ("t", "once"):
        await until_noted_as_running(dead, name)
    await abandon(dead)
    heir = Scripted()
    one = orchestrator(tmp_path / "state", heir)
    once = Once(one._given.journal, method, monkeypatch)  # pyright: ignore[reportPrivateUsage]
    await started(one)
    assert (await soon(one.wait_for("t"))).data == 1
    assert (await soon(one.wait_for("once"))).error_type == "TaskInterrupted"
    assert heir.ran == ["t"]
    assert once.calls >= 2
    task = await one.get_task("t")
    assert task is not None and task.retry_count == 1
    await soon(one.stop())


async def test_an_interruption_counts_even_if_who_counted_it_died_before_he_could_act(
    make_on_disk: Make, tmp_path: Path
) -> None:
    spec = '{"payload":{},"max_retries":0}'
    await left_behind(tmp_path / "state", row_of(1, "once", spec=spec, retry_count=1))
    heir = Scripted()
    one = await make_on_disk(heir)
    assert (await soon(one.wait_for("once"))).error_type == "TaskInterrupted"
    assert heir.ran == []


async def test_a_batch_ends_although_retention_has_deleted_a_task_of_another_owner(make_on_disk: Make) -> None:
    gate = Gate(worker_id="theirs", capabilities=["theirs"])
    await make_on_disk(gate)
    one = await make_on_disk(Scripted())
    journal = one._given.journal  # pyright: ignore[reportPrivateUsage]
    gone = Task(id="gone", requirements=needs("theirs"))
    waiter = asyncio.create_task(run_batch(one, [gone, Task(id="stays")]))
    await gate.next()
    real = journal.rows

    async def pruned(keys: Any) -> Any:
        return {key: row for key, row in (await real(keys)).items() if row.id != "gone"}

    async def ended(key: int, status: TaskStatus, at: float, delivery: Any = None) -> bool:
        return True

    batch_ended, journal.batch_ended = journal.batch_ended, ended  # of the rows that are left all have ended
    journal.rows = pruned
    results = await soon(waiter)
    assert [result.success for result in results] == [False, True]
    assert gone.status is TaskStatus.CANCELLED
    journal.rows, journal.batch_ended = real, batch_ended
    gate.open()


async def test_a_process_that_runs_only_its_own_attracts_nobody_elses_tasks(make_on_disk: Make, tmp_path: Path) -> None:
    scoped = orchestrator(tmp_path / "state", Scripted(worker_id="gpu", capabilities=["gpu"]))
    own = dataclasses.replace(scoped._given, scope=_nothing)  # pyright: ignore[reportPrivateUsage]
    scoped = await started(Orchestrator(own))
    one = await make_on_disk(Scripted())
    result = await soon(one.submit_task(Task(requirements=needs("gpu"), expires_at=utcnow() + timedelta(3)), wait=True))
    assert not isinstance(result, str) and result.error_type == "NoWorker"
    await soon(scoped.stop())


def _nothing(_: TaskRow) -> bool:
    return False
