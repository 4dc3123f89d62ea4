"""Embedded servers of several state folders on one PostgreSQL database and one Redis server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.fernet import Fernet
from prefect.blocks.system import Secret
from prefect.events import Event
from prefect.events.clients import get_events_client, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Resource
from psycopg import sql
from pydantic import SecretStr

from tests.engine.recording import START_SECONDS, Records, client_settings, eventually, next_host, recorded, state_name
from tests.engine.server_users import Watch, state_of
from tests.services import ports
from tests.services.postgres import PostgresCluster
from tests.support import Scripted, run, soon
from vera_orchestrator.engine import postgres
from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.base import EngineStatus
from vera_orchestrator.engine.reach import check
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.settings import OrchestratorConfig

KEY = Fernet.generate_key().decode()
AUTH = "vera:the-same-everywhere"


@dataclass(frozen=True, kw_only=True)
class Host:
    """A state folder, as on a host of its own, and its server."""

    home: Path
    server: EmbeddedServer
    address: ServerAddress


@pytest.fixture
async def hosts(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[list[Host]]:
    """Two hosts that come up at the same time, on an empty database."""
    homes = [tmp_path / "first", tmp_path / "second"]
    servers = [
        EmbeddedServer.of(
            OrchestratorConfig(
                home=home,
                prefect_start_seconds=START_SECONDS,
                prefect_database_url=postgres_url,
                prefect_redis_url=redis_url,
                prefect_encryption_key=KEY,
                prefect_auth_string=AUTH,
            )
        )
        for home in homes
    ]
    addresses = await asyncio.gather(*(server.acquire() for server in servers))
    watches = [Watch(state_of(home).supervisor_pid) for home in homes]
    yield [
        Host(home=home, server=server, address=address)
        for home, server, address in zip(homes, servers, addresses, strict=True)
    ]
    for server in servers:
        server.release()
    for watch in watches:
        assert watch.has_ended(within=60)


async def test_what_one_host_does_is_seen_through_the_other(
    hosts: list[Host], postgres_url: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = hosts
    assert here.address.api_url != there.address.api_url
    assert here.address.auth_string == there.address.auth_string == AUTH
    await _runs_are_recorded_for_both(here, Records(there.address))
    await _events_reach_the_listeners_of_both(here, there)
    await _blocks_can_be_read_by_both(here, there)
    _secrets_are_hidden(here, postgres_url, redis_url)
    await _a_process_with_other_settings_is_told(here, postgres_url, caplog)


async def _runs_are_recorded_for_both(here: Host, through_the_other: Records) -> None:
    # Task runs are made of events: they are there only if these are processed.
    orchestrator = recorded(here.home, Scripted())
    await soon(orchestrator.start())
    try:
        host = await next_host(orchestrator)
        await run(orchestrator, Task(id="seen"))
        shown = await through_the_other.ended_run("custom seen")
    finally:
        await soon(orchestrator.stop())
    assert state_name(shown) == "Completed"
    assert shown.flow_run_id == host
    assert state_name(await through_the_other.ended_flow_run(host)) == "Completed"


async def _events_reach_the_listeners_of_both(here: Host, there: Host) -> None:
    wanted = EventFilter(event=EventNameFilter(name=["vera.heard"]))
    with client_settings(there.address):
        async with get_events_subscriber(filter=wanted) as listener:
            with client_settings(here.address):
                async with get_events_client() as speaker:
                    await speaker.emit(
                        Event(event="vera.heard", resource=Resource({"prefect.resource.id": "vera.test"}))
                    )
            assert (await soon(anext(listener))).event == "vera.heard"


async def _blocks_can_be_read_by_both(here: Host, there: Host) -> None:
    with client_settings(here.address):
        await Secret[str](value=SecretStr("open sesame")).asave("shared")
    with client_settings(there.address):
        assert (await Secret[str].aload("shared")).get() == "open sesame"


def _secrets_are_hidden(host: Host, *urls: str) -> None:
    state = state_of(host.home)
    seen = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (state.supervisor_pid, state.server_pid)]
    seen += [(host.home / "prefect" / name).read_text() for name in ("server.log", "server.json")]
    for secret in (KEY, AUTH, *(urlsplit(url).password for url in urls)):
        assert secret
        assert not any(secret in text for text in seen)


async def _a_process_with_other_settings_is_told(host: Host, url: str, caplog: pytest.LogCaptureFixture) -> None:
    another = EmbeddedServer.of(OrchestratorConfig(home=host.home, prefect_database_url=url))
    with caplog.at_level(logging.WARNING, "vera_orchestrator"):
        assert await another.acquire() == host.address
    another.release()
    (warning,) = [record.message for record in caplog.records if "other settings" in record.message]
    assert "and Redis at" in warning


async def test_tasks_run_while_the_database_is_away_and_are_recorded_once_it_is_there(
    postgres_url: str, tmp_path: Path
) -> None:
    missing = f"{postgres_url}_later"
    name = urlsplit(missing).path.lstrip("/")
    orchestrator = recorded(tmp_path, Scripted(), prefect_database_url=missing)
    await soon(orchestrator.start())
    try:
        assert (await run(orchestrator, Task())).success
        reason = str(orchestrator.engine.status.reason)
        assert f"{urlsplit(missing).hostname}:{urlsplit(missing).port}/{name}" in reason
        assert "does not exist" in reason
        assert str(urlsplit(missing).password) not in reason
        assert not (tmp_path / "prefect" / "server.json").exists()
        _execute(postgres_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        # The server makes all its tables first, which takes its time beside other tests.
        await eventually(lambda: _status(orchestrator), lambda status: status.connected, within=START_SECONDS)
        await next_host(orchestrator)
        watch = Watch(state_of(tmp_path).supervisor_pid)
    finally:
        await soon(orchestrator.stop())
        _execute(postgres_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    assert watch.has_ended(within=60)


@pytest.mark.soak
async def test_a_database_that_goes_away_and_comes_back_holds_up_no_task(tmp_path: Path) -> None:
    cluster = PostgresCluster(tmp_path / "cluster", ports.free_port())
    await asyncio.to_thread(cluster.create)
    await asyncio.to_thread(cluster.start)
    orchestrator = recorded(tmp_path / "state", Scripted(), prefect_database_url=cluster.url())
    status = orchestrator.engine.status
    try:
        await asyncio.wait_for(orchestrator.start(), START_SECONDS)
        await next_host(orchestrator)
        await asyncio.to_thread(cluster.kill)
        await eventually(lambda: _connected(status), lambda connected: not connected)
        await eventually(lambda: _reason(status), lambda reason: "PostgreSQL at 127.0.0.1" in reason)
        assert (await run(orchestrator, Task())).success
        await asyncio.to_thread(cluster.start)
        await eventually(lambda: _connected(status), bool)
        watch = Watch(state_of(tmp_path / "state").supervisor_pid)
    finally:
        await soon(orchestrator.stop())
        await asyncio.to_thread(cluster.remove)
    assert watch.has_ended(within=60)


class TestTurn:
    async def test_servers_take_turns_and_who_waits_says_so(
        self, asyncpg_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres, "SAY_AFTER_SECONDS", 0.0)
        monkeypatch.setattr(postgres, "BEAT_SECONDS", 0.01)
        first_is_done = False

        async def second() -> bool:
            async with postgres.turn(asyncpg_url):
                return first_is_done

        async with postgres.turn(asyncpg_url):
            waiting = asyncio.create_task(second())
            await eventually(lambda: _said(caplog), lambda said: "Another server is starting on this database" in said)
            first_is_done = True
        assert await soon(waiting)
        assert "was lost" not in caplog.text

    async def test_a_host_that_stands_still_loses_its_turn(
        self, asyncpg_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres, "IDLE_SECONDS", 1)
        first = postgres.turn(asyncpg_url)  # whose first sign of life would come after 20 s
        second_has_it = False
        async with first, asyncio.timeout(10), postgres.turn(asyncpg_url):
            second_has_it = True
        assert second_has_it


class TestReach:
    async def test_a_second_host_with_another_key_is_refused(self, postgres_url: str) -> None:
        backing = Backing.of(OrchestratorConfig(prefect_database_url=postgres_url))
        await check(backing, KEY)
        await check(backing, KEY)
        await check(backing, None)
        with pytest.raises(PrefectUnavailable, match="another encryption key") as caught:
            await check(backing, Fernet.generate_key().decode())
        assert "VERA_PREFECT_ENCRYPTION_KEY" in str(caught.value)
        assert KEY not in str(caught.value)

    async def test_hosts_that_come_first_at_the_same_time_agree_on_one_key(self, postgres_url: str) -> None:
        backing = Backing.of(OrchestratorConfig(prefect_database_url=postgres_url))
        outcomes = await asyncio.gather(
            *(check(backing, Fernet.generate_key().decode()) for _ in range(8)), return_exceptions=True
        )
        refused = [str(outcome) for outcome in outcomes if outcome is not None]
        assert len(refused) == 7
        assert all("another encryption key" in text for text in refused)

    @pytest.mark.parametrize("service", ["prefect_database_url", "prefect_redis_url"])
    async def test_what_does_not_answer_is_named_without_its_password(
        self, service: str, postgres_url: str, free_port: int
    ) -> None:
        scheme = "postgresql" if service == "prefect_database_url" else "redis"
        given = {"prefect_database_url": postgres_url, service: f"{scheme}://me:pass-word@127.0.0.1:{free_port}/7"}
        with pytest.raises(PrefectUnavailable, match=f"127.0.0.1:{free_port}/7") as caught:
            await check(Backing.of(OrchestratorConfig(**given)), KEY)
        assert f"VERA_{service.upper()}" in str(caught.value)
        assert "pass-word" not in str(caught.value)

    @pytest.mark.parametrize("service", ["prefect_database_url", "prefect_redis_url"])
    async def test_a_wrong_password_is_said_and_not_shown(
        self, service: str, postgres_url: str, redis_url: str
    ) -> None:
        given = {"prefect_database_url": postgres_url, "prefect_redis_url": redis_url}
        parts = urlsplit(given[service])
        assert parts.password
        given[service] = given[service].replace(parts.password, "wrong-word")
        with pytest.raises(PrefectUnavailable, match=r"(?i)password") as caught:
            await check(Backing.of(OrchestratorConfig(**given)), KEY)
        assert "wrong-word" not in str(caught.value)


@pytest.fixture
def asyncpg_url(postgres_url: str) -> str:
    """The address of an empty database as Prefect's server has it."""
    return postgres_url.replace("+psycopg", "+asyncpg")


@pytest.fixture
def free_port() -> int:
    """A port at which nobody listens."""
    return ports.free_port()


async def _said(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text


async def _status(orchestrator: Orchestrator) -> EngineStatus:
    return orchestrator.engine.status


async def _connected(status: EngineStatus) -> bool:
    return status.connected


async def _reason(status: EngineStatus) -> str:
    return str(status.reason)


def _execute(url: str, command: sql.Composed) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(command)
