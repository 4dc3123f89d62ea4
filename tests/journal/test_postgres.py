"""The journal in a PostgreSQL database passes the suite of the port."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import count

import psycopg
import pytest

from tests.conformance.journal import JournalSuite
from tests.services.running import new_database
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal


@pytest.fixture(scope="module")
def stores(postgres_server: str) -> Generator[Callable[[], Journal]]:
    """Give a function that makes stores; each is a schema of one database, which costs less than a database."""
    numbers = count()
    with new_database(postgres_server) as url, psycopg.connect(url, autocommit=True) as connection:

        def make() -> Journal:
            name = f"s{next(numbers)}"
            connection.execute(f"CREATE SCHEMA {name}".encode())
            return make_journal(f"{url}?options=-csearch_path%3D{name}")

        yield make


class TestPostgresJournal(JournalSuite):
    @pytest.fixture
    def new_store(self, stores: Callable[[], Journal]) -> Callable[[], Journal]:
        return stores
