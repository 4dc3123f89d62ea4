"""Where the journals of the runs are kept: a database per run, and what can be done to the database from outside."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.faults.plan import FaultKind
from tests.faults.proxy import Proxy
from tests.services.ports import free_port
from tests.services.postgres import PostgresCluster

Act = tuple[Callable[[str], Awaitable[None]], Callable[[str], Awaitable[None]]]
"""How a fault begins and how it is mended, given the name of its target."""


class Station(ABC):
    """The database of one run. `url` leads straight to it."""

    url: str

    @abstractmethod
    def url_through(self, proxy: Proxy | None) -> str:
        """Return the address that leads through a proxy."""

    @property
    @abstractmethod
    def port(self) -> int | None:
        """The port it listens at; None if it is a file."""

    @property
    @abstractmethod
    def acts(self) -> Mapping[FaultKind, Act]:
        """What can be done to this kind of database."""


class SQLiteStation(Station):
    """A file."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path
        self._locking: sqlite3.Connection | None = None

    def url_through(self, proxy: Proxy | None) -> str:
        """A file has no line to it."""
        assert proxy is None
        return self.url

    @property
    def port(self) -> int | None:
        return None

    @property
    def acts(self) -> Mapping[FaultKind, Act]:
        return {FaultKind.LOCK: (self._lock, self._unlock)}

    async def _lock(self, _: str) -> None:
        """Keep everybody from writing."""
        self._locking = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        self._locking.execute("BEGIN IMMEDIATE")

    async def _unlock(self, _: str) -> None:
        """Let them write again; nothing if they can."""
        if self._locking is not None:
            self._locking.close()
            self._locking = None


class PostgreSQLStation(Station):
    """A database of a cluster of our own."""

    def __init__(self, cluster: PostgresCluster, port: int, name: str) -> None:
        cluster.create_database(name)
        self._cluster = cluster
        self._port = port
        self.url = cluster.url(name, driver="psycopg")

    def url_through(self, proxy: Proxy | None) -> str:
        return self.url if proxy is None else self.url.replace(f":{self._port}/", f":{proxy.port}/")

    @property
    def port(self) -> int | None:
        return self._port

    @property
    def acts(self) -> Mapping[FaultKind, Act]:
        return {
            FaultKind.DATABASE_STOP: (self._stop, self._start),
            FaultKind.DATABASE_KILL: (self._kill, self._start),
        }

    async def _stop(self, _: str) -> None:
        """End all sessions and the database."""
        await asyncio.to_thread(self._cluster.stop, "immediate")

    async def _kill(self, _: str) -> None:
        await asyncio.to_thread(self._cluster.kill)

    async def _start(self, _: str) -> None:
        """Start it again; nothing if it runs."""
        await asyncio.to_thread(self._cluster.start)


def new_cluster(folder: Path) -> tuple[PostgresCluster, int]:
    """Return a cluster that runs, and its port."""
    port = free_port()
    cluster = PostgresCluster(folder, port)
    cluster.create()
    cluster.start()
    return cluster, port
