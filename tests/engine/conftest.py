from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.server_users import Watch, state_of
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """The server that the tests of a module share."""

    home: Path
    server: EmbeddedServer
    address: ServerAddress


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One embedded server, on a fresh state folder, started by somebody with Prefect settings of their own."""
    home = tmp_path_factory.mktemp("state") / "vera"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "*")
        patch.setenv("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "false")
        patch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P900D")
        server = EmbeddedServer(home, retention_days=3, start_seconds=60)
        address = asyncio.run(server.acquire())
    yield RunningServer(home=home, server=server, address=address)
    supervisor = Watch(state_of(home).supervisor_pid)
    server.release()
    assert supervisor.has_ended(within=20)


@pytest.fixture
def home(running_server: RunningServer, tmp_path: Path) -> Path:
    """A state folder of its own whose server starts fast: it has the shared server's tables already."""
    folder = tmp_path / "vera" / "prefect"
    folder.mkdir(parents=True)
    origin = running_server.home / "prefect"
    with (
        closing(sqlite3.connect(origin / "prefect.db")) as source,
        closing(sqlite3.connect(folder / "prefect.db")) as copy,
    ):
        source.backup(copy)
    shutil.copytree(origin / "ui", folder / "ui")
    return folder.parent
