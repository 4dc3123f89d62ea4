from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.recording import Records, recorded
from tests.engine.server_users import Watch, state_of
from tests.prefect_homes import with_tables
from tests.support import soon
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.base import BaseWorker

Make = Callable[..., Awaitable[Orchestrator]]


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that the tests of this folder share."""

    home: Path
    server: EmbeddedServer
    address: ServerAddress


@pytest.fixture(scope="package")
def running_server(prefect_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One embedded server, started by somebody with Prefect settings of their own."""
    home = with_tables(tmp_path_factory.mktemp("state") / "vera", prefect_tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "*")
        patch.setenv("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "false")
        patch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P900D")
        server = EmbeddedServer(home, retention_days=3, start_seconds=180)
        address = asyncio.run(server.acquire())
    yield RunningServer(home=home, server=server, address=address)
    supervisor = Watch(state_of(home).supervisor_pid)
    server.release()
    assert supervisor.has_ended(within=60)


@pytest.fixture(scope="package")
def other_server(prefect_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A second server, which tests may harm, but leave running."""
    home = with_tables(tmp_path_factory.mktemp("other") / "vera", prefect_tables)
    server = EmbeddedServer(home, retention_days=3, start_seconds=180)
    yield RunningServer(home=home, server=server, address=asyncio.run(server.acquire()))
    supervisor = Watch(state_of(home).supervisor_pid)
    server.release()
    assert supervisor.has_ended(within=60)


@pytest.fixture
def home(prefect_tables: Path, tmp_path: Path) -> Path:
    """A state folder of its own whose server starts fast."""
    return with_tables(tmp_path / "vera", prefect_tables)


@pytest.fixture
def state(running_server: RunningServer, tmp_path: Path) -> Path:
    """A state folder with the shared server, and everything else of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "prefect").symlink_to(running_server.home / "prefect")
    return folder


@pytest.fixture
def records(running_server: RunningServer) -> Records:
    """What the shared server knows."""
    return Records(running_server.address)


@pytest.fixture
async def make(state: Path) -> AsyncIterator[Make]:
    """Makes started orchestrators that record in the shared server, and stops them at the end."""
    made: list[Orchestrator] = []

    async def start(*workers: BaseWorker, **more: Any) -> Orchestrator:
        one = recorded(state, *workers, **more)
        made.append(one)
        await soon(one.start())
        return one

    yield start
    for one in made:
        await soon(one.stop())
