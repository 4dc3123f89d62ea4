"""Databases with settings of their own, rows that they refuse, and groups that take them long."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import Connection, make_url, text

from tests.conformance.journal_rows import join, task
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal import migrate
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.postgres import PostgresBackend
from vera_orchestrator.journal.records import Added
from vera_orchestrator.journal.sql import SQLJournal

HELD = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
"""How many advisory locks there are in a database."""


@contextmanager
def session(url: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def set_default(url: str, setting: str) -> None:
    """Change a setting of the database, for those who connect from now on."""
    with session(url) as connection:
        connection.execute(f"ALTER DATABASE {make_url(url).database} SET {setting}".encode())


@pytest_asyncio.fixture(params=["serializable", "repeatable read"])
async def pair(request: pytest.FixtureRequest, postgres_url: str) -> AsyncGenerator[tuple[Journal, Journal]]:
    """Give the journals of two processes on a database whose default isolation is stricter than usual."""
    set_default(postgres_url, f"default_transaction_isolation = '{request.param}'")
    set_default(postgres_url, "default_transaction_read_only = on")
    one, other = make_journal(postgres_url), make_journal(postgres_url)
    await one.open()
    await other.open()
    yield one, other
    await one.close()
    await other.close()


async def test_slots_are_counted_right_whatever_isolation_is_the_default(pair: tuple[Journal, Journal]) -> None:
    owners = [await join(journal) for journal in pair]

    outcomes = await asyncio.gather(
        *(pair[key % 2].acquire(owners[key % 2], key, {"limit": 7}) for key in range(100)),
    )

    assert [list(full) for full in outcomes].count([]) == 7


async def test_an_idempotency_key_is_used_once_whatever_isolation_is_the_default(pair: tuple[Journal, Journal]) -> None:
    outcomes = await asyncio.gather(
        *(pair[key % 2].add([task(key, idempotency_key=f"k{key // 2}", body_hash="h")]) for key in range(100)),
    )

    assert [outcome.existing is None for outcome in outcomes].count(True) == 50


async def test_a_row_too_wide_for_an_index_harms_no_neighbour(postgres_url: str) -> None:
    journal = make_journal(postgres_url)
    await journal.open()
    with session(postgres_url) as connection:
        connection.execute("CREATE INDEX unkind ON tasks (spec)")

    outcomes = await asyncio.gather(
        *(journal.add([task(key, spec=secrets.token_urlsafe(9_000 if key == 7 else 9))]) for key in range(20)),
        return_exceptions=True,
    )

    assert [key for key, outcome in enumerate(outcomes) if outcome != Added()] == [7]
    assert isinstance(outcomes[7], InvalidValue)
    assert set(await journal.rows(range(20))) == set(range(20)) - {7}
    await journal.close()


def nap(connection: Connection) -> int:
    return connection.execute(text("SELECT 1 FROM pg_sleep(0.4)")).scalar_one()


class SlowJournal(SQLJournal):
    """A journal with an operation that keeps the database busy, though shorter than anybody's patience."""

    async def nap(self) -> int:
        return await self._write(nap, alone=False)


async def test_a_group_that_is_answered_all_the_time_is_not_cut(postgres_url: str) -> None:
    journal = SlowJournal(PostgresBackend(make_url(postgres_url), silent_seconds=1.0))
    await journal.open()

    assert await asyncio.gather(*(journal.nap() for _ in range(5))) == [1] * 5

    await journal.close()


async def test_a_slow_upgrade_is_not_given_up_by_the_database(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[str] = []
    real = migrate.prepared_upgrade

    def noting(folder: Path) -> Callable[[Connection, str | None], None]:
        upgrade = real(folder)
        with session(postgres_url) as other:
            # what takes long to load must not keep the other writers waiting
            assert other.execute(HELD).fetchone() == (0,)

        def noted(connection: Connection, revision: str | None) -> None:
            for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
                limits.append(connection.execute(text(f"SHOW {name}")).scalar_one())
            upgrade(connection, revision)

        return noted

    monkeypatch.setattr(migrate, "prepared_upgrade", noting)
    journal = make_journal(postgres_url)
    await journal.open()

    assert limits == ["0", "0"]
    await journal.add([task(1)])
    await journal.close()
