"""What embedded Prefect servers that share a PostgreSQL database agree on in it: whose turn it is, and which key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

CONNECT_SECONDS = 5.0
TURN_RETRY_SECONDS = 0.2
TURN_LOCK = 0x76657261_01
KEY_LOCK = 0x76657261_02
"""Numbers of advisory locks, which belong to the database; the first half is this project's name."""

KEY_TABLE = "vera_prefect_key"


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[AsyncConnection]:
    """A connection outside of transactions, with the driver and URL of Prefect's own; raises what these raise."""
    engine = create_async_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"timeout": CONNECT_SECONDS}
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def turn(url: str) -> AsyncGenerator[None]:
    """Wait until no other server starts on this database: two that make the tables at once fail.

    The lock goes with the connection, however the process ends. It is asked for again and again, since a query that
    waits for it would hold up the migrations that build an index concurrently.
    """
    async with connected(url) as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": TURN_LOCK}):  # noqa: ASYNC110 - the event would be in another process
            await asyncio.sleep(TURN_RETRY_SECONDS)
        yield


async def first_fingerprint(url: str, fingerprint: str) -> str:
    """Return the fingerprint of the key of the first server on this database: the given one if there was none."""
    async with connected(url) as connection:
        # Two that create a table at once fail, even with IF NOT EXISTS. The lock is for the statement before it ends.
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": KEY_LOCK})
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {KEY_TABLE}"
                " (one boolean PRIMARY KEY DEFAULT true CHECK (one), fingerprint text NOT NULL)"
            )
        )
        await connection.execute(
            text(f"INSERT INTO {KEY_TABLE} (fingerprint) VALUES (:fingerprint) ON CONFLICT DO NOTHING"),
            {"fingerprint": fingerprint},
        )
        return str(await connection.scalar(text(f"SELECT fingerprint FROM {KEY_TABLE}")))
