"""PostgreSQL for all tests: one cluster, in which each test has a database of its own."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from tests.services.errors import ServiceFailed
from tests.services.ports import free_port, is_free
from tests.services.postgres import PostgresCluster
from tests.services.service import Note
from tests.services.state import Record

VARIABLE = "VERA_TEST_POSTGRES_URL"
ANSWER_SECONDS = 90


class PostgresService:
    """The cluster in the state folder."""

    name = "postgres"
    title = "PostgreSQL"
    programs: tuple[str, ...] = ("initdb",)

    def given(self) -> str | None:
        return os.environ.get(VARIABLE) or None

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        PostgresCluster(folder, 0).kill()  # if it runs, it does not answer, or nobody knows at which address
        port = urlsplit(before.url).port if before is not None else None
        if port is None or not is_free(port):
            port = free_port()
        cluster = PostgresCluster(folder, port)
        if not cluster.exists:
            cluster.create()
        cluster.start()
        process = cluster.process
        if process is None:
            raise ServiceFailed(f"it ended at once; see {cluster.log}")
        record = Record.of(process, cluster.url())
        note(record)
        return record

    def answers(self, record: Record) -> bool:
        address = make_conninfo(record.url, connect_timeout=ANSWER_SECONDS)
        return PGconn.ping(address.encode()) == Ping.OK  # also where all its connections are taken

    def found(self, folder: Path) -> Record | None:
        cluster = PostgresCluster(folder, 0)
        process = cluster.process
        return Record.of(process, cluster.url()) if process is not None else None

    def stop(self, folder: Path, record: Record) -> None:
        cluster = PostgresCluster(folder, urlsplit(record.url).port or 0)
        if cluster.process == record.process:
            cluster.stop("fast")

    def remove(self, folder: Path) -> None:
        PostgresCluster(folder, 0).remove()
