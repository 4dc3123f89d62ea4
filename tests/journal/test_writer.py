"""Group commit on a real SQLite file: who shares a transaction, and what happens when one fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import traceback
from collections.abc import AsyncGenerator, Awaitable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, make_url

from tests.conformance.journal_rows import batch, ending, join, task
from vera_orchestrator.errors import InvalidValue, JournalUnavailable, VeraError
from vera_orchestrator.journal import writer
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import Added
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.journal.sqlite import SQLiteBackend

SECRET = "hunter2"


class WatchedBackend(SQLiteBackend):
    """The real backend; counts transactions, and lets a test hold one up or make its commit fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(make_url(f"sqlite:///{path}"))
        self.transactions = 0
        self.failing_commits = 0
        self.gate = threading.Event()
        self.gate.set()

    def engine(self) -> Engine:
        engine = super().engine()
        event.listen(engine, "commit", self._on_commit)
        return engine

    def beginning(self, *, alone: bool) -> Sequence[str]:
        self.transactions += 1
        assert self.gate.wait(30)
        return super().beginning(alone=alone)

    def _on_commit(self, _connection: Connection) -> None:
        if self.failing_commits:
            self.failing_commits -= 1
            raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def backend(tmp_path: Path) -> WatchedBackend:
    return WatchedBackend(tmp_path / "journal.db")


@pytest.fixture
async def journal(backend: WatchedBackend) -> AsyncGenerator[SQLJournal]:
    journal = SQLJournal(backend)
    await journal.open()
    backend.transactions = 0
    yield journal
    await journal.close()


async def test_writes_that_wait_share_a_transaction(journal: Journal, backend: WatchedBackend) -> None:
    backend.gate.clear()
    first = journal.add([task(0)])
    others = [journal.add([task(key)]) for key in range(1, 1_000)]
    backend.gate.set()

    await asyncio.gather(first, *others)

    assert backend.transactions <= 3
    assert len(await journal.rows(range(1_000))) == 1_000


async def test_a_mark_that_does_not_hurry_shares_the_transaction_of_what_comes_next(
    journal: Journal, backend: WatchedBackend
) -> None:
    await journal.add([task(1)])
    backend.transactions = 0

    marked = journal.started(1, 1, at=1.0, worker_id="w", hurries=False)
    ended = journal.ended(ending(1))

    assert await asyncio.gather(marked, ended) == [True, True]
    assert backend.transactions == 1


async def test_a_mark_that_does_not_hurry_is_written_although_nothing_comes(
    journal: Journal, backend: WatchedBackend
) -> None:
    await journal.add([task(1)])

    assert await journal.started(1, 1, at=1.0, worker_id="w", hurries=False)


async def test_what_does_not_hurry_is_written_at_once_when_it_is_to(
    journal: Journal, backend: WatchedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "UNHURRIED_SECONDS", 3_600.0)
    added = [journal.add([task(key)], hurries=False) for key in (1, 2)]
    journal.hurry()

    assert await asyncio.wait_for(asyncio.gather(*added), 30) == [Added(), Added()]
    assert backend.transactions == 1


async def test_a_mark_that_does_not_hurry_is_written_before_the_end(backend: WatchedBackend) -> None:
    journal = SQLJournal(backend)
    await journal.open()
    await journal.add([task(1)])
    marked = asyncio.ensure_future(journal.started(1, 1, at=1.0, worker_id="w", hurries=False))
    await journal.close()

    assert await marked


async def test_a_failing_commit_fails_its_group_and_not_the_next(journal: Journal, backend: WatchedBackend) -> None:
    backend.failing_commits = 1
    with pytest.raises(JournalUnavailable, match=r"Nothing was written: disk I/O error.*journal\.db"):
        await journal.add([task(1)])

    assert await journal.add([task(2)]) == Added()

    assert set(await journal.rows([1, 2])) == {2}


async def test_all_writes_of_a_group_fail_with_its_commit(journal: Journal, backend: WatchedBackend) -> None:
    backend.gate.clear()
    backend.failing_commits = 2  # the group of the first write, and that of all the others
    writes = [journal.add([task(key)]) for key in range(100)]
    backend.gate.set()

    outcomes = await asyncio.gather(*writes, return_exceptions=True)

    failed = [key for key, outcome in enumerate(outcomes) if isinstance(outcome, JournalUnavailable)]
    assert failed
    assert set(await journal.rows(range(100))) == set(range(100)) - set(failed)


async def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    def limited(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    class SmallDisk(SQLiteBackend):
        def engine(self) -> Engine:
            engine = super().engine()
            event.listen(engine, "connect", limited)
            return engine

    journal = SQLJournal(SmallDisk(make_url(f"sqlite:///{tmp_path}/journal.db")))
    await journal.open()
    await journal.add([task(1)])
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.ended(ending(1, result="x" * 1_000_000))

    assert await journal.ended(ending(1, result="small"))
    await journal.close()


async def test_a_group_that_takes_long_is_written_in_parts_in_order(
    journal: SQLJournal, backend: WatchedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GROUP_SECONDS", 0.0)
    await journal.add([task(key) for key in range(5)])
    backend.gate.clear()
    backend.transactions = 0
    calls = [journal.give_up({key: 1}) for key in range(5)]
    ends = [journal.ended(ending(key, fence)) for key in range(5) for fence in (1, 2)]
    backend.gate.set()

    assert await asyncio.gather(*calls) == [1] * 5
    assert await asyncio.gather(*ends) == [False, True] * 5
    assert backend.transactions >= 6


@pytest.mark.parametrize("value", ["\ud800", 1 << 70])
async def test_what_the_database_cannot_hold_fails_alone(journal: Journal, value: object) -> None:
    strange = task(2, worker_id=value) if isinstance(value, str) else task(2, position=value)

    outcomes = await asyncio.gather(
        journal.add([task(1)]), journal.add([strange], batch(2)), journal.add([task(3)]), return_exceptions=True
    )

    assert [outcomes[0], outcomes[2]] == [Added(), Added()]
    assert isinstance(outcomes[1], InvalidValue)
    assert set(await journal.rows([1, 2, 3])) == {1, 3}
    assert await journal.batch_by_key(2) is None


@pytest.mark.parametrize("place", [0, 1 << 70])
async def test_an_error_does_not_show_what_was_to_be_written(journal: Journal, place: int) -> None:
    await journal.add([task(1, id="taken")])

    with pytest.raises(VeraError) as caught:
        await journal.add([task(2, id="taken", spec=SECRET, position=place)])

    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_caller_that_does_not_wait_any_more_harms_nobody(journal: Journal, backend: WatchedBackend) -> None:
    backend.gate.clear()
    gone = asyncio.ensure_future(journal.add([task(1)]))
    stays = journal.add([task(2)])
    gone.cancel()
    backend.gate.set()

    assert await stays == Added()

    assert set(await journal.rows([1, 2])) == {1, 2}


async def test_event_loops_of_several_threads_share_a_journal(journal: Journal) -> None:
    async def add(first: int) -> list[Added]:
        return await asyncio.gather(*(journal.add([task(key)]) for key in range(first, first + 200)))

    outcomes = await asyncio.gather(add(0), *(asyncio.to_thread(asyncio.run, add(first)) for first in (200, 400)))

    assert [len(added) for added in outcomes] == [200, 200, 200]
    assert len(await journal.rows(range(600))) == 600


async def test_an_event_loop_that_ended_harms_nobody(journal: Journal, backend: WatchedBackend) -> None:
    async def leave() -> None:
        journal.add([task(1)])

    backend.gate.clear()
    await asyncio.to_thread(asyncio.run, leave())
    stays = journal.add([task(2)])
    backend.gate.set()

    assert await stays == Added()

    assert set(await journal.rows([1, 2])) == {1, 2}


async def test_writes_are_done_in_the_order_in_which_they_came(journal: Journal) -> None:
    owner = await join(journal)
    writes: list[Awaitable[object]] = []
    for key in range(200):
        writes += [
            journal.add([task(key, owner=owner)]),
            journal.started(key, 1, at=1.0, worker_id="w"),
            journal.requeued(key, 1, due_at=2.0, retry_count=1, error=None),
            journal.ended(ending(key, retry_count=1)),
        ]

    assert await asyncio.gather(*writes) == [Added(), True, True, True] * 200

    rows = await journal.rows(range(200))
    assert {(row.started_at, row.due_at, row.completed_at) for row in rows.values()} == {(1.0, 2.0, 2_000.0)}
