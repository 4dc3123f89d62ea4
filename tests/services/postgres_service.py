"""PostgreSQL for all tests: one cluster, in which each test has a database of its own."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.services.errors import ServiceFailed
from tests.services.ports import free_port, is_free
from tests.services.postgres import PostgresCluster
from tests.services.state import Record

VARIABLE = "VERA_TEST_POSTGRES_URL"


class PostgresService:
    """The cluster in the state folder."""

    name = "postgres"
    title = "PostgreSQL"
    programs: tuple[str, ...] = ("initdb",)

    def given(self) -> str | None:
        return os.environ.get(VARIABLE)

    def start(self, folder: Path, before: Record | None) -> Record:
        port = urlsplit(before.url).port if before is not None else None
        if port is None or not is_free(port):
            port = free_port()
        cluster = PostgresCluster(folder, port)
        if cluster.process is not None:  # it does not answer, or nobody knows at which address
            cluster.kill()
        if not cluster.exists:
            cluster.create()
        cluster.start()
        process = cluster.process
        if process is None:
            raise ServiceFailed(f"it ended at once; see {cluster.log}")
        return Record.of(process, cluster.url())

    def answers(self, record: Record) -> bool:
        try:
            with psycopg.connect(record.url, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, folder: Path, record: Record) -> None:
        cluster = PostgresCluster(folder, urlsplit(record.url).port or 0)
        if cluster.process == record.process:
            cluster.stop("fast")

    def remove(self, folder: Path) -> None:
        PostgresCluster(folder, 0).remove()
