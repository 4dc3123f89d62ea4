"""Where the journals of the runs are kept: a database per run, and what can be done to the database from outside."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.services.ports import free_port
from tests.services.postgres import PostgresCluster


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

    @abstractmethod
    async def stop(self) -> None:
        """End all sessions and the database."""

    @abstractmethod
    async def kill(self) -> None:
        """Kill the database."""

    @abstractmethod
    async def start(self) -> None:
        """Start it again; nothing if it runs."""

    @abstractmethod
    async def lock(self) -> None:
        """Keep everybody from writing."""

    @abstractmethod
    async def unlock(self) -> None:
        """Let them write again; nothing if they can."""


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

    async def stop(self) -> None:
        raise NotImplementedError("a file cannot be stopped")

    async def kill(self) -> None:
        raise NotImplementedError("a file cannot be killed")

    async def start(self) -> None:
        """There is nothing to start."""

    async def lock(self) -> None:
        self._locking = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        self._locking.execute("BEGIN IMMEDIATE")

    async def unlock(self) -> None:
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

    async def stop(self) -> None:
        await asyncio.to_thread(self._cluster.stop, "immediate")

    async def kill(self) -> None:
        await asyncio.to_thread(self._cluster.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self._cluster.start)

    async def lock(self) -> None:
        raise NotImplementedError("there is no file to lock")

    async def unlock(self) -> None:
        """There is nothing to unlock."""


def new_cluster(folder: Path) -> tuple[PostgresCluster, int]:
    """Return a cluster that runs, and its port."""
    port = free_port()
    cluster = PostgresCluster(folder, port)
    cluster.create()
    cluster.start()
    return cluster, port
