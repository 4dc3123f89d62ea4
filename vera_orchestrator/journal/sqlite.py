"""The SQL journal in a SQLite file, which several processes of one host may share."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Engine, Float, bindparam, create_engine, event

from vera_orchestrator.errors import JournalUnavailable, NotConfigured
from vera_orchestrator.journal.backend import Backend
from vera_orchestrator.journal.driver import by_driver

BUSY_SECONDS = 30.0
"""How long a transaction waits for that of another process."""

_PRAGMAS = (
    # In WAL mode a commit without fsync is lost only with the power, never with the process.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8000",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


class SQLiteBackend(Backend):
    """A SQLite file, kept private to its user."""

    driver_errors = (sqlite3.Error, OSError)

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:" or url.query.get("uri"):
            raise NotConfigured(
                "A SQLite journal needs the path of a file.",
                field="database_url",
                remedy="Use sqlite:////absolute/path/journal.db, or memory:// for a journal that is not kept.",
            )
        self._url = url
        self._path = Path(url.database).absolute()

    def prepare(self) -> None:
        """Create the file (0600) and the folder it lies in (0700), where they are missing."""
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            # The mode is also that of the files which SQLite puts beside this one.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise JournalUnavailable(
                f"{self._path} cannot be opened for writing: {error.strerror}.", remedy=self.remedy(error)
            ) from error

    def engine(self) -> Engine:
        """Return an engine whose connections leave transactions to `begin`."""
        engine = create_engine(
            self._url.set(database=str(self._path)),
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_size=5,
            max_overflow=-1,
            hide_parameters=True,
        )
        event.listen(engine, "connect", _configure)
        return engine

    @contextmanager
    def opening(self) -> Generator[None]:
        """Hold a lock on the folder: changing a file to WAL mode fails while another process does the same."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def beginning(self, *, alone: bool) -> Sequence[str]:
        """Take the file's one write lock at once; a lock taken on the first write could not wait for others."""
        return ("BEGIN IMMEDIATE",)

    def script(self, connection: Connection, *statements: str) -> None:
        """Execute them at little cost."""
        for statement in statements:
            by_driver(connection, statement)

    def now(self) -> ColumnElement[float]:
        """Return this process's time: all that share a file are on one host."""
        return bindparam("now", type_=Float, callable_=time.time, unique=True)

    def remedy(self, error: Exception) -> str:
        """Name the file and what it needs."""
        return f"Check that {self._path} is a journal and can be written, with room on its disk, or set database_url."


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    for pragma in _PRAGMAS:
        connection.execute(pragma)
