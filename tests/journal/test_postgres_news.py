"""News between processes on one PostgreSQL database; here each journal stands for a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import psycopg
import pytest
import pytest_asyncio

from tests.conformance.journal_rows import batch, ending, failure, join, task
from tests.journal.ear import Ear
from tests.services.running import new_database
from tests.support import until
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.records import ALL_NEWS, News

Write = Callable[[Journal], Awaitable[object]]


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """Give the URL of a database that the tests of this file share."""
    with new_database(postgres_server) as url:
        yield url


@pytest_asyncio.fixture
async def journal(url: str) -> AsyncGenerator[Journal]:
    """Give the journal that writes, with a task 1 of an owner and no other row."""
    journal = make_journal(url)
    await journal.open()
    await remove_owners(journal)
    for row in await journal.unowned(limit=100):
        await journal.ended(ending(row.key, row.fence))
    await journal.prune(ended_before=1e12, keep=0, limit=1_000)
    await journal.add([task(1, owner=await join(journal))])
    yield journal
    await journal.close()


@pytest_asyncio.fixture
async def other(url: str, journal: Journal) -> AsyncGenerator[Journal]:
    """Give the journal that listens."""
    other = make_journal(url)
    await other.open()
    yield other
    await other.close()


@pytest_asyncio.fixture
async def ear(other: Journal) -> Ear:
    ear = Ear(other)
    await ear.open()
    return ear


async def requeue(journal: Journal) -> None:
    await journal.ended(failure(1))
    await journal.requeue_failed([1])


async def remove_owners(journal: Journal) -> None:
    for owner in await journal.owners():
        await journal.remove_owner(owner.number)


TOLD: dict[str, tuple[Write, News]] = {
    "an end": (lambda journal: journal.ended(ending(1)), News.ENDED),
    "a task of nobody": (lambda journal: journal.add([task(2)]), News.UNOWNED),
    "a task given up": (lambda journal: journal.give_up({1: 1}), News.UNOWNED),
    "an owner removed": (remove_owners, News.UNOWNED),
    "a request to cancel": (lambda journal: journal.ask_to_cancel([1], "stop"), News.CANCELLATIONS),
    "a failed task requeued": (requeue, News.ENDED | News.UNOWNED),
}


@pytest.mark.parametrize("write", sorted(TOLD))
async def test_what_one_process_writes_the_other_is_told(journal: Journal, ear: Ear, write: str) -> None:
    change, news = TOLD[write]

    await change(journal)

    heard = await ear.next()
    while heard != news:
        heard |= await ear.next()
    assert heard == news


async def test_what_concerns_nobody_else_is_not_told(journal: Journal, ear: Ear) -> None:
    owner = await join(journal)
    await journal.add([task(5, owner=owner)], batch(6))
    await journal.started(5, 1, at=1.0, worker_id="w")
    await journal.requeued(5, 1, due_at=None, retry_count=1, error=None)
    await journal.acquire(owner, 5, {"limit": 1})
    await journal.renew(owner, 10.0)
    assert not await journal.ended(ending(404))  # nothing has ended

    await journal.ask_to_cancel([5], "the last word")

    assert await ear.next() == News.CANCELLATIONS


@pytest.mark.parametrize("payload", ["later 8", "later 12", "later ²", f"later {'9' * 7_000}", "later", "", "later -1"])
async def test_what_a_later_version_tells_keeps_nobody_from_listening(
    url: str, journal: Journal, other: Journal, ear: Ear, payload: str
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_notify('vera_journal', %s)", (payload,))

    await journal.ended(ending(1))

    heard = await ear.next()
    while heard in (News(0), News.CANCELLATIONS):  # what 8 and 12 have of this version's
        heard = await ear.next()
    assert heard == News.ENDED
    assert other.is_listening


async def test_who_fails_when_told_is_told_again(
    url: str, journal: Journal, other: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[News] = asyncio.Queue()

    def told(news: News) -> None:
        heard.put_nowait(news)
        if heard.qsize() == 1:
            raise RuntimeError("a fault")

    await other.listen(told)
    await until(lambda: heard.qsize() == 2)
    await journal.ended(ending(1))
    await until(lambda: heard.qsize() == 3)

    assert [heard.get_nowait() for _ in range(3)] == [ALL_NEWS, ALL_NEWS, News.ENDED]
    assert "could not be told" in caplog.text


async def test_a_process_is_not_told_what_it_has_written_itself(journal: Journal, other: Journal, ear: Ear) -> None:
    await other.ended(ending(1))
    await other.add([task(2)])

    await journal.ask_to_cancel([2], "by somebody else")

    assert await ear.next() == News.CANCELLATIONS
    assert not ear.rest()


async def test_many_ends_at_once_are_told(journal: Journal, ear: Ear) -> None:
    await journal.add([task(key) for key in range(10, 110)])
    assert await ear.next() == News.UNOWNED

    for write in [journal.ended(ending(key)) for key in range(10, 110)]:
        assert await write

    assert await ear.next() == News.ENDED
    assert ear.rest() in (News.ENDED, News(0))


async def test_what_is_missed_while_the_connection_is_lost_is_told_as_everything(
    url: str, journal: Journal, other: Journal, ear: Ear
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        listening = "query LIKE 'LISTEN%' AND datname = current_database()"
        ended = connection.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}"
        ).fetchall()
    assert len(ended) == 1

    assert await ear.next() == ALL_NEWS

    assert other.is_listening
    await journal.ended(ending(1))
    assert await ear.next() == News.ENDED


async def test_a_second_call_keeps_the_first_listener(other: Journal, ear: Ear, journal: Journal) -> None:
    unheard: list[News] = []
    await other.listen(unheard.append)

    await journal.ended(ending(1))

    assert await ear.next() == News.ENDED
    assert unheard == []


async def test_closing_ends_the_listening(url: str, other: Journal, ear: Ear) -> None:
    await other.close()

    assert not other.is_listening
    with psycopg.connect(url) as connection:
        left = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        assert connection.execute(left).fetchone() == (0,)
