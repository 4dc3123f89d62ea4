"""Whether what an embedded Prefect server stands on can be used, found out before one is started in vain."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.postgres import KEY_TABLE, connected, first_fingerprint
from vera_orchestrator.errors import PrefectUnavailable

REACH_SECONDS = 5.0
T = TypeVar("T")


async def check(backing: Backing, encryption_key: str | None) -> None:
    """Return if the database and the Redis server answer, and the database's blocks are under this key.

    The first key that is asked for is the database's from then on; None asks for none. Raises PrefectUnavailable, which
    names what does not, without accounts and passwords.
    """
    if backing.database_url is not None:
        await _check_database(backing, backing.database_url, encryption_key)
    if backing.redis_url is not None:
        await _answered(
            _ping(backing.redis_url), backing.redis, "See whether it runs, and whether VERA_PREFECT_REDIS_URL is right."
        )


async def _check_database(backing: Backing, url: str, encryption_key: str | None) -> None:
    own = _fingerprint(encryption_key) if encryption_key is not None else None
    found = await _answered(
        first_fingerprint(url, own) if own is not None else _connect(url),
        backing.database,
        "See whether it runs, whether the database was created, and whether VERA_PREFECT_DATABASE_URL is right.",
    )
    if found != own:
        raise PrefectUnavailable(
            f"The blocks in {backing.database} are kept under another encryption key than this host's.",
            remedy=(
                "Set VERA_PREFECT_ENCRYPTION_KEY to the key of the host that used the database first, or copy its file "
                f"prefect/encryption-key. If that key is lost: delete the blocks and the row of the table {KEY_TABLE}."
            ),
        )


async def _answered(question: Awaitable[T], place: str, remedy: str) -> T:
    try:
        async with asyncio.timeout(REACH_SECONDS):
            return await question
    except TimeoutError:
        raise PrefectUnavailable(f"No answer from {place} within {REACH_SECONDS:g} s.", remedy=remedy) from None
    except Exception as error:  # what drivers raise has no common root: OSError, SQLAlchemy's, asyncpg's, Redis's
        raise PrefectUnavailable(f"{place} cannot be used: {_reason(error)}.", remedy=remedy) from None


async def _connect(url: str) -> None:
    async with connected(url):
        pass


async def _ping(url: str) -> None:
    # Imported late, as it takes a second; it knows all the kinds of URL that the server knows.
    connection = await asyncio.to_thread(__import__, "prefect_redis.connection", fromlist=["connection"])
    client = connection.redis_from_url(url, asynchronous=True, protocol=2)
    try:
        await client.ping()
    finally:
        await connection.aclose_redis_client(client)


def _reason(error: BaseException) -> str:
    # SQLAlchemy wraps the driver's error in one of its own, whose text is long and names classes.
    if isinstance(error, SQLAlchemyError):
        error = getattr(error, "orig", None) or error
        error = error.__cause__ or error
    return f"{type(error).__name__}: {error}".rstrip(".: ").splitlines()[0]


def _fingerprint(encryption_key: str) -> str:
    # The key is 32 random bytes: nobody finds it from its hash.
    return hashlib.sha256(encryption_key.encode()).hexdigest()
