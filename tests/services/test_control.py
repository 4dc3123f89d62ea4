"""Starting and stopping the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.services.control import Control, place
from tests.services.errors import ServiceFailed
from tests.services.packages import install, packages_missing
from tests.services.postgres_service import PostgresService
from tests.services.processes import Process
from tests.services.redis_service import RedisService
from tests.services.service import Note, Service
from tests.services.state import Record, State


class Station:
    """A state folder of the test's own, and all that was said."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self.said: list[str] = []

    def control(self, *kinds: Service) -> Control:
        return Control(self.state, lambda title, line: self.said.append(f"{title}: {line}"), kinds)

    def pids(self) -> dict[str, int]:
        return {name: record.pid for name, record in self.state.records().items()}


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """One with nothing started yet; what is left running is stopped."""
    if packages_missing(["initdb", "redis-server", "bwrap"]):
        pytest.skip("PostgreSQL, Redis or bubblewrap is not installed: make services")
    for name in ("VERA_TEST_POSTGRES_URL", "VERA_TEST_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    station = Station(tmp_path / "services")
    yield station
    station.control(PostgresService(), RedisService()).remove()


def test_a_second_start_does_nothing_and_stop_ends_exactly_what_was_started(station: Station, tmp_path: Path) -> None:
    other = Process.spawned(["sleep", "1000"], tmp_path / "log")
    control = station.control(PostgresService(), RedisService())
    assert control.start()
    first, processes = station.pids(), [record.process for record in station.state.records().values()]
    assert set(first) == {"postgres", "redis"}
    assert control.start()
    assert station.pids() == first
    assert control.status()
    assert control.stop()
    assert [process.lives for process in processes] == [False, False]
    assert station.pids() == {}
    assert not control.status()
    assert control.stop()
    assert other.lives
    other.kill()


def test_what_has_died_comes_back_at_the_same_place_with_its_data(station: Station) -> None:
    control = station.control(PostgresService(), RedisService())
    assert control.start()
    before = station.state.records()
    with psycopg.connect(before["postgres"].url, autocommit=True) as connection:
        connection.execute("create table kept ()")
    for record in before.values():
        record.process.kill()
    assert not control.status()
    assert control.start()
    after = station.state.records()
    assert [place(after[name].url) for name in after] == [place(before[name].url) for name in after]
    assert all(after[name].pid != before[name].pid for name in after)
    with psycopg.connect(after["postgres"].url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


def test_a_service_that_the_environment_names_is_used_and_never_stopped(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERA_TEST_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    assert station.control(RedisService()).start()
    assert station.pids() == {}
    assert "Redis: is yours at 127.0.0.1:1" in station.said
    assert "secret" not in "".join(station.said)


class Broken(RedisService):
    """One that cannot be started."""

    name = "broken"
    title = "Broken"

    def given(self) -> str | None:
        return None

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        raise ServiceFailed("it is broken")


class Interrupted(RedisService):
    """One whose start is interrupted as soon as there is a process."""

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        def noted(record: Record) -> None:
            note(record)
            raise KeyboardInterrupt

        return super().start(folder, before, noted)


def test_a_service_that_fails_is_reported_and_the_others_start(station: Station) -> None:
    assert not station.control(Broken(), RedisService()).start()
    assert "Broken: FAILED: it is broken" in station.said
    assert set(station.pids()) == {"redis"}


def test_no_password_is_said(station: Station) -> None:
    assert station.control(RedisService()).start()
    password = station.state.records()["redis"].url.partition(":@")[0].removeprefix("redis://:").partition("@")[0]
    assert len(password) == 32
    assert password not in "".join(station.said)


def test_who_may_not_install_is_told_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages_missing(["redis-server", "dockerd"])[0] == "redis-server"
    with pytest.raises(ServiceFailed, match="apt-get install --no-install-recommends redis-server bubblewrap"):
        install(["redis-server", "bubblewrap"], tmp_path / "log")


def test_what_was_started_by_an_interrupted_command_can_be_stopped(station: Station) -> None:
    with pytest.raises(KeyboardInterrupt):
        station.control(Interrupted()).start()
    record = station.state.records()["redis"]
    assert record.process.lives
    assert station.control(Interrupted()).stop()
    assert not record.process.lives


def test_a_database_that_nobody_wrote_down_is_stopped(station: Station) -> None:
    control = station.control(PostgresService())
    assert control.start()
    process = station.state.records()["postgres"].process
    station.state.write({})
    assert control.stop()
    assert not process.lives


def test_a_database_without_a_free_connection_is_left_alone(station: Station) -> None:
    service = PostgresService()
    control = station.control(service)
    assert control.start()
    record = station.state.records()["postgres"]
    with psycopg.connect(record.url, autocommit=True) as connection:
        connection.execute("create role guest login password 'guest' connection limit 0")
        connection.execute("alter database postgres connection limit 0")
    guest = record.url.replace(record.url.partition("@")[0], "postgresql://guest:guest")
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(guest)
    assert service.answers(Record(pid=record.pid, started=record.started, url=guest))
    assert control.start()
    assert station.pids() == {"postgres": record.pid}


@pytest.mark.parametrize("service", [PostgresService(), RedisService()])
def test_an_empty_variable_names_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERA_TEST_POSTGRES_URL", "VERA_TEST_REDIS_URL"):
        monkeypatch.setenv(name, "")
    assert service.given() is None
