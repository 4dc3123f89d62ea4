"""A newer version changes the schema while an older one is at work."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests.conformance.journal_rows import LARGE, batch, ending, failure, join, row, task
from tests.support import soon
from vera_orchestrator.callers import ALL_SECRETS
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.backend import Backend
from vera_orchestrator.journal.base import Journal, first_key
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.journal.migrate import MIGRATIONS, bring_up_to_date
from vera_orchestrator.journal.postgres import PostgresBackend
from vera_orchestrator.journal.schema import HEAD, metadata
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.journal.sqlite import SQLiteBackend
from vera_orchestrator.metering import REFUSED
from vera_orchestrator.quota import Fits, Limits, Rate
from vera_orchestrator.reservation import Amounts

NEXT = f"""\"\"\"What a later version could add.\"\"\"

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{HEAD}"


def upgrade():
    op.add_column("tasks", sa.Column("later", sa.Text))
    op.create_table("later", sa.Column("key", sa.BigInteger, primary_key=True))
"""
MakeBackend = Callable[[], Backend]


@pytest.fixture(params=["sqlite", "postgres"])
def make_backend(request: pytest.FixtureRequest, tmp_path: Path) -> MakeBackend:
    """Give a function that makes backends of one empty database."""
    if request.param == "sqlite":
        return lambda: SQLiteBackend(make_url(f"sqlite:///{tmp_path}/journal.db"))
    url: str = request.getfixturevalue("postgres_url")
    return lambda: PostgresBackend(make_url(url))


@pytest.fixture
def later_migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "v_next.py").write_text(NEXT)
    return folder


def migrate(backend: Backend, folder: Path, head: str = "next") -> None:
    engine = backend.engine()
    try:
        bring_up_to_date(engine, backend, folder=folder, head=head)
    finally:
        engine.dispose()


def migrations_up_to(revision: str, folder: Path) -> Path:
    """Return a folder with the migrations that a version knew whose newest is this one."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder / "versions").glob("v0*.py"):
        if path.name[1:5] > revision:
            path.unlink()
    return folder


def booking(key: str, owner: int) -> Booking:
    return Booking(
        key=key,
        task=1,
        owner=owner,
        worker_id="w",
        provider="p",
        model="m",
        amounts=Amounts(),
        scopes={"key": Limits(requests_per_day=1_000)},
        rates={"key": Rate(per_second=1_000, burst=1_000)},
    )


async def live(journal: Journal, owner: int, first: int) -> None:
    """Use every kind of statement, several times, as a database remembers plans of those that come often."""
    for key in range(first, first + 20, 2):
        await journal.add([task(key, owner=owner, batch=key), task(key + 1)], batch(key))
        (claimed,) = await journal.claim(owner, [key + 1])
        assert list(await journal.acquire(owner, key, {"limit": 1_000})) == []
        assert await journal.started(key, 1, at=1.0, worker_id="w")
        assert await journal.requeued(key, 1, due_at=None, retry_count=1, error="again")
        assert await journal.ask_to_cancel([key], "stop") == 1
        assert await journal.asked_to_cancel(owner) == {key: "stop"}
        assert await journal.ended(failure(key))
        assert await journal.ended(ending(key + 1, claimed.fence, result=LARGE))
        assert list(await journal.requeue_failed([key])) == [key]
        assert (await row(journal, key + 1)).result == LARGE
        assert len(await journal.batch_tasks(key)) == 1
        assert await journal.renew(owner, 100.0)
        assert isinstance(await journal.ledger.reserve(booking(f"{key}", owner)), Fits)
        assert await journal.ledger.settle(f"{key}", REFUSED)


async def test_the_older_version_goes_on_while_the_newer_one_changes_the_schema(
    make_backend: MakeBackend, later_migrations: Path
) -> None:
    journal = SQLJournal(make_backend())
    await journal.open()
    owner = await join(journal)
    await live(journal, owner, first_key(owner))

    migration = asyncio.to_thread(migrate, make_backend(), later_migrations)
    await asyncio.gather(migration, live(journal, owner, first_key(owner) + 1_000))
    await live(journal, owner, first_key(owner) + 2_000)

    with pytest.raises(JournalUnavailable, match=r"'next'.*Install the version"):
        await SQLJournal(make_backend()).open()
    await journal.close()


async def test_keys_from_before_there_were_lists_of_secrets_may_use_all(
    make_backend: MakeBackend, tmp_path: Path
) -> None:
    backend = make_backend()
    migrate(backend, migrations_up_to("0004", tmp_path / "older"), "0004")
    engine = backend.engine()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO api_keys (id, name, digest, scopes, created_at, weight, limits)"
            " VALUES ('k', 'nightly', 'd', 'submit', 1.0, 1.0, '{}')"
        )
    engine.dispose()

    journal = SQLJournal(make_backend())
    await journal.open()
    kept = await journal.access.key("k")
    await journal.close()

    assert kept is not None
    assert kept.secrets == ALL_SECRETS


async def test_a_change_of_the_schema_does_not_wait_for_ever(postgres_url: str, later_migrations: Path) -> None:
    journal = SQLJournal(PostgresBackend(make_url(postgres_url)))
    await journal.open()
    await journal.add([task(1)])
    hasty = PostgresBackend(make_url(postgres_url), silent_seconds=0.4)
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as reader:
        reader.execute("SELECT * FROM tasks")
        with pytest.raises(OperationalError, match="lock timeout") as caught:
            await soon(asyncio.to_thread(migrate, hasty, later_migrations))

    assert "pg_stat_activity" in hasty.remedy(caught.value)
    assert await journal.ended(ending(1))
    await asyncio.to_thread(migrate, hasty, later_migrations)
    assert (await row(journal, 1)).completed_at is not None
    await journal.close()


async def test_the_migrations_make_the_tables_that_the_code_uses(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA plain")
        connection.exec_driver_sql("SET LOCAL search_path = plain")
        metadata.create_all(connection)
    journal = SQLJournal(PostgresBackend(make_url(postgres_url)))
    await journal.open()
    await journal.close()
    with engine.connect() as connection:
        made, plain = (tables_of(connection, schema) for schema in ("public", "plain"))
    engine.dispose()

    assert made == plain


def tables_of(connection: Connection, schema: str) -> tuple[list[object], list[object]]:
    """Return all columns and all indexes of a schema, but for Alembic's own."""
    columns = connection.exec_driver_sql(
        "SELECT table_name, column_name, data_type, is_nullable, replace(column_default, %s, '')"
        " FROM information_schema.columns WHERE table_schema = %s AND table_name != 'alembic_version'"
        " ORDER BY table_name, ordinal_position",
        (f"{schema}.", schema),
    )
    indexes = connection.exec_driver_sql(
        "SELECT replace(indexdef, %s, '') FROM pg_indexes"
        " WHERE schemaname = %s AND tablename != 'alembic_version' ORDER BY indexname",
        (f"{schema}.", schema),
    )
    return [tuple(found) for found in columns], [tuple(found) for found in indexes]
