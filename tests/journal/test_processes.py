"""Several processes on one journal, and processes that are killed: on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conformance.journal_rows import task
from tests.journal.crew import Crew, Member
from tests.journal.processes import (
    SHARED,
    WRITTEN,
    book,
    claim,
    only_open,
    stop_inside,
    take_slots,
    use_batch_ids,
    use_ids,
    use_ids_backwards,
    use_keys,
    write,
    write_on,
)
from tests.support import soon
from vera_orchestrator.journal.base import Journal, first_key
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.records import HistoryQuery
from vera_orchestrator.reservation import Amounts

pytestmark = pytest.mark.flaky(reruns=0)  # a promise that is broken once is broken


@pytest.fixture(scope="module")
def crew() -> Generator[Crew]:
    crew = Crew()
    yield crew
    crew.end()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database that is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest_asyncio.fixture
async def journal(url: str) -> AsyncGenerator[Journal]:
    """Give a journal of this process on the same database."""
    journal = make_journal(url)
    await journal.open()
    yield journal
    await journal.close()


async def test_what_was_acknowledged_survives_kill_9(url: str) -> None:
    member = Member()
    member.order(write_on, url, 1)
    seen = [member.next() for _ in range(300)]
    member.kill()
    seen += member.said()
    member.end()

    journal = make_journal(url)
    await journal.open()
    rows = await journal.rows(seen)
    await journal.close()

    assert len(seen) >= 300
    assert {key: rows[key].result for key in seen if key in rows} == {key: str(key) for key in seen}


async def test_a_killed_process_holds_up_nobody(url: str, journal: Journal) -> None:
    member = Member()
    member.order(write_on, url, 1)
    member.next()
    member.kill()

    assert (await journal.add([task(1)])).existing is None
    member.end()


async def test_two_processes_write_at_the_same_time(url: str, crew: Crew, journal: Journal) -> None:
    said = crew.run(write, url, 1, 2)

    assert [len(keys) for keys in said] == [WRITTEN, WRITTEN]
    written = {row.key: row.result for row in journal.history(HistoryQuery(limit=5_000))}
    assert written == {
        key: str(key) for number in (1, 2) for key in range(first_key(number), first_key(number) + WRITTEN)
    }


def test_processes_that_open_a_new_database_at_once_all_succeed(url: str, crew: Crew) -> None:
    assert crew.run(only_open, url, *range(6)) == [[number] for number in range(6)]


def test_processes_together_do_not_pass_a_limit(url: str, crew: Crew) -> None:
    said = crew.run(take_slots, url, 1, 2)

    assert sum(len(keys) for keys in said) == 5


async def test_processes_together_do_not_pass_a_limit_of_the_ledger(url: str, crew: Crew, journal: Journal) -> None:
    said = crew.run(book, url, 1, 2)

    fitted = [place for places in said for place in places]
    assert len(fitted) == 20
    total = (await journal.ledger.totals(["key"], 0))["key"].amounts
    assert total == Amounts(requests=20, tokens=sum(3 if place % 2 else 10 for place in fitted))


async def test_an_idempotency_key_makes_one_row_in_whatever_process(url: str, crew: Crew, journal: Journal) -> None:
    one, other = crew.run(use_keys, url, 1, 2)

    assert len(one) == SHARED
    assert one == other
    assert set(one) == {row.key for row in journal.history(HistoryQuery(limit=5_000))}


async def test_of_two_processes_that_use_an_id_one_is_refused(url: str, crew: Crew, journal: Journal) -> None:
    one, other = crew.run(use_ids, url, 1, 2)

    assert len(one) + len(other) == SHARED
    rows = await journal.rows([*one, *other])
    assert sorted(row.id for row in rows.values()) == sorted(f"t{place}" for place in range(SHARED))
    assert (await journal.counts()).by_status == {task(1).status: SHARED}


async def test_of_two_processes_that_use_an_id_of_a_batch_one_is_refused(
    url: str, crew: Crew, journal: Journal
) -> None:
    one, other = crew.run(use_batch_ids, url, 1, 2)

    assert len(one) + len(other) == SHARED
    for place in range(SHARED):
        batch = await journal.batch(f"b{place}")
        assert batch is not None
        assert batch.key in {*one, *other}


async def test_of_two_submissions_that_lock_each_other_out_one_is_accepted_whole(
    url: str, crew: Crew, journal: Journal
) -> None:
    one, other = crew.run(use_ids_backwards, url, 1, 2)

    assert sorted([len(one), len(other)]) == [0, SHARED]
    assert {row.key for row in journal.history(HistoryQuery(limit=5_000))} == {*one, *other}


async def test_no_task_is_claimed_by_two_processes(url: str, crew: Crew, journal: Journal) -> None:
    await journal.add([task(key) for key in range(1, 401)])

    one, other = crew.run(claim, url, 1, 2)

    assert sorted(one + other) == list(range(1, 401))
    assert {row.fence for row in (await journal.rows(range(1, 401))).values()} == {2}


async def test_a_process_stopped_inside_a_transaction_does_not_hold_up_the_others(postgres_url: str) -> None:
    journal = make_journal(postgres_url)
    await journal.open()
    member = Member()
    member.order(stop_inside, postgres_url, 7)
    assert await asyncio.to_thread(member.next) == 7

    await soon(journal.add([task(1)]))

    member.process.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(member.said) == [first_key(7)]  # it writes on, as its own transaction was ended
    assert set(await journal.rows([1, first_key(7)])) == {1, first_key(7)}
    await journal.close()
    member.end()
