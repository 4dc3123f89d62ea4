"""What several tests of the journal need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.errors import ServiceFailed
from tests.services.ports import free_port
from tests.services.postgres import PostgresCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    """Give a PostgreSQL of this file's own, which tests may stop and kill."""
    cluster = PostgresCluster(tmp_path_factory.mktemp("postgres") / "cluster", free_port())
    try:
        cluster.create()
    except ServiceFailed as error:
        pytest.skip(str(error))
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture
def database(cluster: PostgresCluster, request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty database in it; the server runs."""
    cluster.start()
    name = f"d{abs(hash(request.node.nodeid)) % 10**12}"
    cluster.create_database(name)
    return cluster.url(name)
