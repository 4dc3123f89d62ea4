"""What differs between databases, as a port: everything else of the SQL journal is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine


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
    def begin(self, connection: Connection) -> None:
        """Begin a transaction that excludes other writers of the same rows, owners and slots."""

    @abstractmethod
    def remedy(self) -> str:
        """Say what a person can do when the database cannot be used."""
