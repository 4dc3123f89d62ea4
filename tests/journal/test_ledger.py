"""The ledgers of all journals pass the suite of their port."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import ColumnElement, Float, bindparam, make_url

from tests.conformance.journal_rows import join
from tests.conformance.ledger import LedgerSuite
from tests.conformance.ledger_rows import Clock, MakeStore, Shop, amounts
from tests.services.running import new_database
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.postgres import PostgresBackend
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.journal.sqlite import SQLiteBackend
from vera_orchestrator.quota import Fits, Limits


class SQLiteByClock(SQLiteBackend):
    """A SQLite file whose time is a test's."""

    clock: Clock

    def now(self) -> ColumnElement[float]:
        return bindparam("now", type_=Float, callable_=self.clock, unique=True)


class PostgresByClock(PostgresBackend):
    """A PostgreSQL database whose time is a test's."""

    clock: Clock

    def now(self) -> ColumnElement[float]:
        return bindparam("now", type_=Float, callable_=self.clock, unique=True)


def by_clock(backend: SQLiteByClock | PostgresByClock, clock: Clock) -> Journal:
    backend.clock = clock
    return SQLJournal(backend)


async def open_and_close(journal: Journal) -> None:
    await journal.open()
    await journal.close()


class TestMemoryLedger(LedgerSuite):
    EXAMPLES = 60

    @pytest.fixture
    def new_store(self) -> MakeStore:
        return lambda clock: MemoryJournal(now=clock)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty SQLite journal: to copy it costs less than to make it."""
    path = tmp_path_factory.mktemp("made") / "journal.db"
    asyncio.run(open_and_close(SQLJournal(SQLiteBackend(make_url(f"sqlite:///{path}")))))
    return path


class TestSQLiteLedger(LedgerSuite):
    @pytest.fixture
    def new_store(self, made: Path, tmp_path: Path) -> MakeStore:
        def make(clock: Clock) -> Journal:
            shutil.copy(made, tmp_path)
            return by_clock(SQLiteByClock(make_url(f"sqlite:///{tmp_path}/{made.name}")), clock)

        return make


@pytest.fixture(scope="module")
def postgres_journal(postgres_server: str) -> Generator[str]:
    """Give the URL of a database that holds an empty journal."""
    with new_database(postgres_server) as url:
        asyncio.run(open_and_close(SQLJournal(PostgresBackend(make_url(url)))))
        yield url


@pytest.fixture
def postgres_ledger(postgres_journal: str) -> str:
    """Give the URL of a database that holds a journal with an empty ledger."""
    with psycopg.connect(postgres_journal, autocommit=True) as connection:
        for table in ("usage", "usage_sums", "rate_levels", "answers"):
            connection.execute(f"DELETE FROM {table}".encode())
    return postgres_journal


class TestPostgresLedger(LedgerSuite):
    EXAMPLES = 10

    @pytest.fixture
    def new_store(self, postgres_ledger: str) -> MakeStore:
        return lambda clock: by_clock(PostgresByClock(make_url(postgres_ledger)), clock)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(requests_per_day=50),
        Limits(tokens_per_day=50 * 100, requests_per_day=1_000),
        Limits(cost_per_day=Decimal("0.50"), tokens_per_day=1_000_000),
    ],
    ids=str,
)
async def test_four_journals_on_one_database_never_pass_a_limit(postgres_ledger: str, limits: Limits) -> None:
    clock = Clock()
    shops: list[Shop] = []
    for _ in range(4):
        journal = by_clock(PostgresByClock(make_url(postgres_ledger)), clock)
        await journal.open()
        shops.append(Shop(journal, clock, await join(journal)))

    bookings = [(shop, shop.booking(f"{shop.owner}-{number}", limits)) for number in range(50) for shop in shops]
    outcomes = await asyncio.gather(*(shop.ledger.reserve(booking) for shop, booking in bookings))
    granted = [booking.key for (_, booking), found in zip(bookings, outcomes, strict=True) if isinstance(found, Fits)]
    await asyncio.gather(*(shops[number % 4].ledger.settle(key, None) for number, key in enumerate(granted)))

    assert len(granted) == 50
    assert await shops[0].used() == amounts(requests=50, tokens=5_000, cents=50)
    for shop in shops:
        await shop.journal.close()


async def test_four_journals_on_one_database_count_no_more_than_a_minute_takes(postgres_ledger: str) -> None:
    clock = Clock()
    journals = [by_clock(PostgresByClock(make_url(postgres_ledger)), clock) for _ in range(4)]
    await asyncio.gather(*(journal.open() for journal in journals))

    asked = [journal.ledger.count("s", 1, 30) for _ in range(20) for journal in journals]
    found = await asyncio.gather(*asked)

    assert sum(isinstance(one, Fits) for one in found) == 30
    await asyncio.gather(*(journal.close() for journal in journals))
