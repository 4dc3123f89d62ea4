"""What embedded Prefect servers that share a PostgreSQL database agree on in it: whose turn it is, and which key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
"""Of PostgreSQL, in seconds: it ends the session of a host that is gone after some 11 s, and gives its locks back."""

IDLE_SECONDS = 60
"""PostgreSQL (14 and later) ends the session of a host that stands still after so long."""

BEAT_SECONDS = 20.0
TURN_RETRY_SECONDS = 0.2
SAY_AFTER_SECONDS = 5.0
TURN_LOCK = 0x76657261_01
KEY_LOCK = 0x76657261_02
"""Numbers of advisory locks, which belong to the database; the first half is this project's name."""

KEY_TABLE = "vera_prefect_key"

logger = logging.getLogger(__name__)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[AsyncConnection]:
    """A connection outside of transactions, with the driver and URL of Prefect's own; raises what these raise.

    Neither a host that is gone nor one that stands still keeps it, with its locks, for long.
    """
    given = {"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS, "server_settings": KEEPALIVE}
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=given)
    try:
        async with engine.connect() as connection:
            # No row, and nothing is set, where the setting is not known.
            await connection.execute(
                text("SELECT set_config(name, :idle, false) FROM pg_settings WHERE name = 'idle_session_timeout'"),
                {"idle": f"{IDLE_SECONDS}s"},
            )
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
        await _lock(connection)
        over = asyncio.Event()
        beats = asyncio.create_task(_beat(connection, over))
        try:
            yield
        finally:
            over.set()
            (error,) = await asyncio.gather(beats, return_exceptions=True)
            if error is not None:
                logger.warning("The connection that kept other servers from starting meanwhile was lost: %s", error)


async def _lock(connection: AsyncConnection) -> None:
    said, say_at = False, time.monotonic() + SAY_AFTER_SECONDS
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": TURN_LOCK}):
        if not said and time.monotonic() >= say_at:
            logger.warning("Another server is starting on this database; this one waits for it.")
            said = True
        await asyncio.sleep(TURN_RETRY_SECONDS)


async def _beat(connection: AsyncConnection, over: asyncio.Event) -> None:
    """Keep a session that lives from being taken for one that stands still."""
    while True:
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await over.wait()
            return
        except TimeoutError:
            await connection.execute(text("SELECT 1"))


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
