"""A private PostgreSQL cluster."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.services.errors import ServiceFailed, tail
from tests.services.packages import packages_missing
from tests.services.ports import free_port
from tests.services.postgres import PostgresCluster


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a cluster, which its user cannot reach, alone in another one."""
    if packages_missing(["initdb"]):
        pytest.skip("PostgreSQL is not installed: make services")
    place = tmp_path_factory.mktemp("alone") / "cluster"
    yield place
    PostgresCluster(place, free_port()).remove()


@pytest.fixture
def cluster(place: Path) -> Iterator[PostgresCluster]:
    """A cluster that runs; a test may leave it stopped or removed."""
    cluster = PostgresCluster(place, free_port())
    if not cluster.exists:
        cluster.create()
    cluster.start()
    yield cluster
    cluster.stop("immediate")


def rows(cluster: PostgresCluster, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(cluster.url("own")) as connection:
        return connection.execute(query.encode()).fetchall()


def test_what_was_committed_survives_a_kill_and_the_address_stays(cluster: PostgresCluster) -> None:
    cluster.create_database("own")
    address = cluster.url("own")
    with psycopg.connect(address) as connection:
        connection.execute("create table numbers (number int)")
        connection.execute("insert into numbers values (1)")
        connection.commit()
        connection.execute("insert into numbers values (2)")
        cluster.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert cluster.process is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    cluster.start()
    assert cluster.url("own") == address
    assert rows(cluster, "select number from numbers") == [(1,)]


def test_it_is_started_once_and_stopped_once(cluster: PostgresCluster, place: Path) -> None:
    first = cluster.pid
    cluster.start()
    assert cluster.pid == first is not None
    cluster.stop("immediate")
    cluster.stop()
    cluster.kill()
    assert cluster.pid is None
    again = PostgresCluster(place, free_port())  # another object, at another address
    again.start()
    with psycopg.connect(again.url()) as connection:
        assert connection.info.status is psycopg.pq.ConnStatus.OK


def test_nobody_gets_in_without_the_password(cluster: PostgresCluster) -> None:
    user, host = cluster.url().rsplit("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user.rpartition(':')[0]}:wrong@{host}")


def test_nothing_of_it_is_left(cluster: PostgresCluster, place: Path) -> None:
    real, process = place.resolve(), cluster.process
    assert real.is_dir()
    assert process is not None
    cluster.remove()
    assert not real.exists()
    assert list(place.parent.iterdir()) == []
    assert not process.lives


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")


@needs_root
def test_a_folder_that_only_the_group_of_root_may_enter_will_do() -> None:
    if packages_missing(["initdb"]):
        pytest.skip("PostgreSQL is not installed: make services")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        closed = Path(folder)
        closed.chmod(0o750)
        cluster = PostgresCluster(closed / "cluster", free_port())
        try:
            cluster.create()
            assert cluster.exists
            assert (closed / "cluster").is_symlink()
        finally:
            cluster.remove()


@needs_root
def test_a_link_that_its_user_made_is_not_followed(cluster: PostgresCluster, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root alone")
    cluster.log.unlink()
    cluster.log.symlink_to(secret)
    assert tail(cluster.log) == ""
    cluster.create()
    assert cluster.exists
    assert (secret.read_text(), secret.owner()) == ("of root alone", "root")
    secret.unlink()


def test_the_password_is_no_argument_of_a_process(cluster: PostgresCluster) -> None:
    process, password = cluster.process, cluster.url().split("@")[0].rpartition(":")[2]
    assert process is not None
    assert not any(password in word for word in process.command or [])


def test_settings_are_given_beside_those_that_all_have(cluster: PostgresCluster, place: Path) -> None:
    cluster.stop()
    other = PostgresCluster(place, free_port(), settings={"work_mem": "8MB"})
    other.start()
    with psycopg.connect(other.url()) as connection:
        assert connection.execute("show work_mem").fetchone() == ("8MB",)
        assert connection.execute("show max_connections").fetchone() == ("200",)


def test_an_error_says_what_the_server_said(cluster: PostgresCluster, place: Path) -> None:
    taken = int(cluster.url().rpartition(":")[2].partition("/")[0])
    other = PostgresCluster(place.parent / "other", taken)
    other.create()
    try:
        with pytest.raises(ServiceFailed, match=r"(?s)pg_ctl failed.*Address already in use"):
            other.start()
    finally:
        other.remove()
    assert list(place.parent.iterdir()) == [place]
