"""What the journal says when a PostgreSQL server does not let it in."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conformance.journal_rows import task
from tests.services.postgres import PostgresCluster
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.factory import make_journal


async def refusal(url: str) -> str:
    """Return what the journal says instead of opening."""
    with pytest.raises(JournalUnavailable) as caught:
        await make_journal(url).open()
    return str(caught.value)


async def test_a_wrong_password_is_said_and_not_shown(database: str) -> None:
    address = urlsplit(database)
    text = await refusal(f"postgresql://postgres:hunter2@{address.hostname}:{address.port}{address.path}")

    assert "password authentication failed" in text
    assert "lets this user in" in text
    assert "hunter2" not in text


async def test_a_missing_database_is_said(cluster: PostgresCluster) -> None:
    assert 'database "nowhere" does not exist' in await refusal(cluster.url("nowhere"))


async def test_a_user_who_may_not_create_tables_is_told_so(database: str) -> None:
    address = urlsplit(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")

    text = await refusal(f"postgresql://reader:reader@{address.hostname}:{address.port}{address.path}")

    assert "permission denied for schema public" in text
    assert "create tables" in text


async def test_too_many_connections_are_said_and_survived(database: str) -> None:
    address = urlsplit(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS few")
        connection.execute("CREATE ROLE few SUPERUSER LOGIN PASSWORD 'few'")
        journal = make_journal(f"postgresql://few:few@{address.hostname}:{address.port}{address.path}")
        await journal.open()
        connection.execute("ALTER ROLE few NOSUPERUSER CONNECTION LIMIT 0")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'")

        with pytest.raises(JournalUnavailable, match=r"too many connections.*has room"):
            await journal.add([task(1)])

        connection.execute("ALTER ROLE few SUPERUSER CONNECTION LIMIT -1")
        await journal.add([task(1)])
        assert set(await journal.rows([1])) == {1}
        await journal.close()


async def test_a_password_in_the_options_of_the_address_is_not_shown(database: str) -> None:
    address = urlsplit(database)
    url = f"postgresql://postgres@{address.hostname}:{address.port}/missing?password={address.password}"

    with pytest.raises(JournalUnavailable, match='"missing" does not exist') as caught:
        await make_journal(url).open()

    assert str(address.password) not in str(caught.value)
