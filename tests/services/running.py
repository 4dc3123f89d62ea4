"""The services that run, for the fixtures of tests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from redis import Redis

from tests.services.postgres import create_database, drop_database
from tests.services.state import State

LEASE_SECONDS = 3600  # of a Redis database whose test was killed


def address_of(name: str, variable: str, state: State | None = None) -> str | None:
    """Return what the environment names, else what `make services` started and still runs; None if neither."""
    given = os.environ.get(variable)
    if given:
        return given
    record = (state or State()).records().get(name)
    return record.url if record is not None and record.process.lives else None


@contextmanager
def new_database(url: str) -> Generator[str]:
    """Make an empty PostgreSQL database for the block, and remove it with all connections to it; gives its address."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        create_database(connection, name)
    try:
        yield urlsplit(url)._replace(scheme="postgresql", path=f"/{name}").geturl()
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            drop_database(connection, name)


@contextmanager
def own_redis(url: str) -> Generator[str]:
    """Reserve an empty numbered database of Redis for the block, also against other test runs; gives its address."""
    with _client(url) as control:
        databases = int(control.config_get("databases")["databases"])  # pyright: ignore
        taken = (n for n in range(1, databases) if control.set(_key(n), "taken", nx=True, ex=LEASE_SECONDS))  # pyright: ignore
        number = next(taken, None)
        if number is None:
            raise LookupError(f"all {databases} databases of Redis are taken: make services-stop services")
        own = urlsplit(url)._replace(path=f"/{number}").geturl()
        try:
            _empty(own)
            yield own
            _empty(own)
        finally:
            control.delete(_key(number))  # pyright: ignore[reportUnknownMemberType]


def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=10)  # pyright: ignore[reportUnknownMemberType]


def _empty(url: str) -> None:
    with _client(url) as client:
        client.flushdb()  # pyright: ignore[reportUnknownMemberType]


def _key(number: int) -> str:
    return f"vera-tests:database:{number}"
