"""A transaction that writes, with one savepoint at a time, in as few turns with the database as can be."""

from __future__ import annotations

from sqlalchemy import Connection

from vera_orchestrator.journal.backend import Backend
from vera_orchestrator.journal.records import News

HERE = "here"
"""The savepoint. An operation begins right behind it and may roll back to it."""

ROLL_BACK = f"ROLLBACK TO SAVEPOINT {HERE}"


class Transaction:
    """Begins with the first `mark`; what need not be answered goes to the database together with what follows."""

    def __init__(self, connection: Connection, backend: Backend, *, alone: bool) -> None:
        self._connection = connection
        self._backend = backend
        self._waiting = list(backend.beginning(alone=alone))
        self._is_marked = False

    @property
    def connection(self) -> Connection:
        """What operations work on."""
        return self._connection

    def mark(self) -> None:
        """Set the savepoint, in place of the one before: savepoints within each other would slow down the database."""
        release = [f"RELEASE SAVEPOINT {HERE}"] if self._is_marked else []
        self._backend.script(self._connection, *self._waiting, *release, f"SAVEPOINT {HERE}")
        self._waiting = []
        self._is_marked = True

    def back(self) -> None:
        """Undo what was done since the savepoint, which stays."""
        self._connection.exec_driver_sql(ROLL_BACK)

    def commit(self, news: News) -> None:
        """Commit, and tell other processes the news."""
        self._backend.commit(self._connection, news)
