"""What differs between databases, as a port: everything else of the SQL journal is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from sqlalchemy import ColumnElement, Connection, Engine

from vera_orchestrator.journal.records import News


class Listener(Protocol):
    """Hears the news of other processes, from `start` to `stop`, both called in one event loop."""

    @property
    def is_listening(self) -> bool:
        """Whether news are heard now."""
        ...

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    async def stop(self) -> None:
        """End."""
        ...


class Backend(ABC):
    """One database: how to connect to it and how to begin a transaction that writes."""

    driver_errors: tuple[type[Exception], ...]
    """What the driver raises where SQLAlchemy does not wrap it."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what has to exist before the first connection; raises JournalUnavailable."""

    @abstractmethod
    def engine(self) -> Engine:
        """Return a new engine with a pool of connections; its parameters are positional."""

    @abstractmethod
    def opening(self) -> AbstractContextManager[None]:
        """Keep other processes from opening the same database meanwhile."""

    @abstractmethod
    def beginning(self, *, alone: bool) -> Sequence[str]:
        """Return the statements that begin a transaction that writes; `alone`: while it goes on, no other may.

        Transactions that are not alone may go on at the same time. They depend only on the rows that they change, and
        on owners, which are only removed alone.
        """

    def beginning_of_migration(self) -> Sequence[str]:
        """Return the statements that begin a transaction, alone, which changes the schema."""
        return self.beginning(alone=True)

    def script(self, connection: Connection, *statements: str) -> None:
        """Execute statements that have neither parameters nor answers, together where the database can do that."""
        for statement in statements:
            connection.exec_driver_sql(statement)

    def commit(self, connection: Connection, news: News) -> None:
        """Commit, and tell other processes the news; see the journal's port."""
        connection.commit()

    @abstractmethod
    def now(self) -> ColumnElement[float]:
        """Return the time by the clock that all processes share, in seconds since the epoch, as an SQL expression.

        In a statement that is kept it is the time of each execution.
        """

    def patience(self, connection: Connection) -> AbstractContextManager[None]:
        """Break off what is done meanwhile on a connection if the database leaves it without an answer."""
        return nullcontext()

    def is_worth_repeating(self, error: Exception, *, committing: bool = False) -> bool:
        """Whether a transaction that failed so has surely written nothing and may well succeed at the next try."""
        return False

    def listener(self, told: Callable[[News], None]) -> Listener | None:
        """Return what hears the news of other processes, not started; None if the database cannot tell them."""
        return None

    @abstractmethod
    def remedy(self, error: Exception) -> str:
        """Say what a person can do when the database cannot be used."""
