"""A PostgreSQL that is stopped, killed, frozen or unkind, and lines to it that break."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import Connection, make_url

from tests.conformance.journal_rows import ending, failure, join, row, task
from tests.faults.proxy import Proxy
from tests.journal.ear import Ear
from tests.services.postgres import PostgresCluster
from tests.support import soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.postgres import WRITERS_LOCK, PostgresBackend
from vera_orchestrator.journal.records import ALL_NEWS, News
from vera_orchestrator.journal.sql import SQLJournal

SHORT = 0.4


@pytest_asyncio.fixture
async def journal(database: str) -> AsyncGenerator[Journal]:
    """Give a journal straight on the server, with a task 1 that has started."""
    journal = make_journal(database)
    await journal.open()
    await journal.add([task(1)])
    await journal.started(1, 1, at=1.0, worker_id="w")
    yield journal
    await journal.close()


class Deafening(PostgresBackend):
    """The real backend with little patience; loses the answers of commits when told to."""

    def __init__(self, url: str, proxy: Proxy) -> None:
        super().__init__(make_url(url), silent_seconds=SHORT)
        self._proxy = proxy
        self.loses_answers = False

    def commit(self, connection: Connection, news: News) -> None:
        if self.loses_answers:
            self._proxy.deafen()
        super().commit(connection, news)


@pytest_asyncio.fixture
async def proxy(cluster: PostgresCluster) -> AsyncGenerator[Proxy]:
    async with Proxy(urlsplit(cluster.url()).port or 0) as proxy:
        yield proxy


@pytest.fixture
def backend(database: str, proxy: Proxy) -> Deafening:
    return Deafening(database.replace(f":{urlsplit(database).port}/", f":{proxy.port}/"), proxy)


@pytest_asyncio.fixture
async def far(backend: Deafening, proxy: Proxy, journal: Journal) -> AsyncGenerator[SQLJournal]:
    """Give a journal of another process behind the proxy."""
    far = SQLJournal(backend)
    await far.open()
    await far.rows([1])
    yield far
    backend.loses_answers = False
    await proxy.mend()
    await far.close()


# servers that go and come back


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_restart_between_writes_is_not_noticed(cluster: PostgresCluster, journal: Journal, how: str) -> None:
    await asyncio.gather(*(journal.rows([1]) for _ in range(4)))  # several connections, all of which will be dead

    await asyncio.to_thread(cluster.stop if how == "stopped" else cluster.kill)
    await asyncio.to_thread(cluster.start)

    assert await journal.ended(ending(1, result="kept"))
    assert (await row(journal, 1)).result == "kept"


async def test_a_server_that_is_away_is_named_without_the_password(
    cluster: PostgresCluster, database: str, journal: Journal
) -> None:
    await asyncio.to_thread(cluster.stop)
    address = urlsplit(database)

    said: list[str] = []
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: journal.add([task(2)]),
        lambda: journal.rows([1]),
        make_journal(database).open,
    ]
    for call in calls:
        with pytest.raises(JournalUnavailable) as caught:
            await call()
        said.append(str(caught.value))

    for text in said:
        assert f"{address.hostname}:{address.port}{address.path} runs" in text
        assert str(address.password) not in text
        assert "\n" not in text
    assert said[0].startswith("Nothing was written: ")

    await asyncio.to_thread(cluster.start)
    assert (await journal.add([task(2)])).existing is None
    assert set(await journal.rows([1, 2])) == {1, 2}


async def test_news_are_looked_for_while_the_server_is_away_and_told_when_it_is_back(
    cluster: PostgresCluster, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(journal)
    await ear.open()
    with caplog.at_level(logging.WARNING, "vera_orchestrator.journal.postgres_news"):
        await asyncio.to_thread(cluster.stop)
        await until(lambda: not journal.is_listening)
        with pytest.raises(JournalUnavailable):
            await journal.rows([1])
        await asyncio.to_thread(cluster.start)
        assert await ear.next() == ALL_NEWS

    assert journal.is_listening
    assert len(caplog.records) == 1
    assert "news of other processes cannot be heard" in caplog.text


# lines that break


async def test_a_write_on_a_silent_line_fails_in_time(far: Journal, journal: Journal, proxy: Proxy) -> None:
    proxy.hang()

    with pytest.raises(JournalUnavailable, match=r"Nothing was written: The database has not answered for 0\.4 s"):
        await soon(far.add([task(2)]))

    await proxy.mend()
    assert set(await journal.rows([1, 2])) == {1}
    assert (await far.add([task(2)])).existing is None


async def test_a_read_on_a_silent_line_fails_in_time(far: Journal, proxy: Proxy) -> None:
    proxy.hang()

    with pytest.raises(JournalUnavailable, match=r"has not answered for 0\.4 s.*Check that postgresql://"):
        await soon(far.rows([1]))

    await proxy.mend()
    assert set(await far.rows([1])) == {1}


async def test_a_line_that_is_cut_is_made_again(far: Journal, proxy: Proxy) -> None:
    await proxy.cut()
    with pytest.raises(JournalUnavailable):
        await far.add([task(2)])

    await proxy.mend()

    assert (await far.add([task(3)])).existing is None
    assert set(await far.rows([2, 3])) == {3}


async def test_an_end_whose_acknowledgement_was_lost_is_written_and_its_repetition_is_false(
    far: Journal, backend: Deafening, proxy: Proxy
) -> None:
    backend.loses_answers = True
    with pytest.raises(JournalUnavailable, match="It is not known whether this was written"):
        await soon(far.ended(ending(1, result="once")))
    backend.loses_answers = False
    await proxy.mend()

    assert not await far.ended(ending(1, result="again"))

    assert (await row(far, 1)).result == "once"


@pytest.mark.parametrize("write", ["started", "requeued"])
async def test_other_steps_whose_acknowledgement_was_lost_can_be_repeated(
    far: Journal, backend: Deafening, proxy: Proxy, write: str
) -> None:
    def step() -> Awaitable[bool]:
        if write == "started":
            return far.started(1, 1, at=9.0, worker_id="w2")
        return far.requeued(1, 1, due_at=9.0, retry_count=1, error=None)

    backend.loses_answers = True
    with pytest.raises(JournalUnavailable, match="It is not known whether this was written"):
        await soon(step())
    backend.loses_answers = False
    await proxy.mend()
    before = await row(far, 1)

    assert await step()

    assert await row(far, 1) == before
    assert 9.0 in (before.started_at, before.due_at)


# transactions that fall victim to others


async def test_a_deadlock_is_resolved_by_trying_again(database: str, journal: Journal) -> None:
    await journal.add([task(2)])
    assert isinstance(journal, SQLJournal)
    waits = asyncio.Event()
    loop = asyncio.get_running_loop()
    with psycopg.connect(database) as rival:
        rival.execute("SET deadlock_timeout = '1h'")  # so that it is the journal which notices
        rival.execute("UPDATE tasks SET position = 9 WHERE key = 2")

        def both(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE tasks SET worker_id = 'mine' WHERE key = 1")
            loop.call_soon_threadsafe(waits.set)
            connection.exec_driver_sql("UPDATE tasks SET worker_id = 'mine' WHERE key = 2")

        def close_the_circle() -> None:
            rival.execute("UPDATE tasks SET position = 9 WHERE key = 1")
            rival.commit()

        write = asyncio.ensure_future(journal._write(both))  # pyright: ignore[reportPrivateUsage]
        await soon(waits.wait())
        await asyncio.to_thread(close_the_circle)
        await soon(write)

    rows = await journal.rows([1, 2])
    assert {(found.worker_id, found.position) for found in rows.values()} == {("mine", 9)}


@pytest.mark.parametrize(("times", "succeeds"), [(2, True), (3, False)])
async def test_a_transaction_that_could_not_be_serialized_is_tried_three_times(
    journal: Journal, times: int, succeeds: bool
) -> None:
    assert isinstance(journal, SQLJournal)
    tries = 0

    def change(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        if tries <= times:
            connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'try again' USING ERRCODE = '40001'; END $$")

    write = journal._write(change)  # pyright: ignore[reportPrivateUsage]
    if succeeds:
        await write
    else:
        with pytest.raises(JournalUnavailable, match="Nothing was written: try again"):
            await write
    assert tries == 3
    assert await journal.ended(ending(1))


async def test_a_write_behind_a_long_lock_says_what_it_waits_for(database: str, far: Journal) -> None:
    with psycopg.connect(database) as rival:
        rival.execute("LOCK TABLE tasks")
        with pytest.raises(JournalUnavailable, match=r"Nothing was written: .*lock timeout.*pg_stat_activity"):
            await soon(far.ended(ending(1)))

    assert await far.ended(ending(1))


async def test_opening_does_not_wait_for_ever_for_who_writes(database: str) -> None:
    journal = SQLJournal(PostgresBackend(make_url(database), silent_seconds=SHORT))
    with psycopg.connect(database) as rival:
        rival.execute("SELECT pg_advisory_xact_lock(%s)", (WRITERS_LOCK,))
        with pytest.raises(JournalUnavailable, match=r"lock timeout.*pg_stat_activity"):
            await soon(journal.open())

    await journal.open()
    await journal.close()


@pytest.mark.flaky(reruns=0)  # a promise that is broken once is broken
async def test_what_was_acknowledged_survives_a_killed_server(cluster: PostgresCluster, journal: Journal) -> None:
    owner = await join(journal)
    await journal.add([task(key, owner=owner) for key in range(10, 60)])
    await asyncio.gather(*(journal.ended(ending(key)) for key in range(10, 40)), journal.ended(failure(40)))

    await asyncio.to_thread(cluster.kill)
    await asyncio.to_thread(cluster.start)

    counts = (await journal.counts()).by_status
    assert counts[TaskStatus.COMPLETED] == 30
    assert counts[TaskStatus.FAILED] == 1
    assert [found.key for found in await journal.owned(owner, limit=100)] == list(range(41, 60))
