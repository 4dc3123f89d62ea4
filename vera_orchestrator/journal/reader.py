"""Reads, on pooled connections of their own: they never wait for a write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from vera_orchestrator.journal import refusals
from vera_orchestrator.journal.backend import Backend

T = TypeVar("T")

READ_THREADS = 4


class Reader:
    """Runs queries, in a few threads or at once."""

    def __init__(self, engine: Engine, backend: Backend) -> None:
        self._engine = engine
        self._backend = backend
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="journal-reader")

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in a thread; raises JournalUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read_now, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Run a query in the caller's thread; raises JournalUnavailable."""
        try:
            try:
                return self._query(query)
            except DBAPIError as error:
                if not self._backend.is_worth_repeating(error):
                    raise
                return self._query(query)
        except (DataError, UnicodeError, OverflowError) as error:
            raise refusals.not_storable(error) from error
        except (SQLAlchemyError, *self._backend.driver_errors) as error:
            raise refusals.unavailable(error, self._backend.remedy(error)) from error

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection, self._backend.patience(connection):
            return query(connection)

    def stop(self) -> None:
        """Wait for the running queries and disconnect; blocks."""
        self._threads.shutdown()
        self._engine.dispose()
