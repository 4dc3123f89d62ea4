from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.flows.station import Command, Station, environment_of
from tests.http.server import serving
from tests.prefect_homes import with_tables
from vera_orchestrator.engine.server import EmbeddedServer


@pytest.fixture(scope="package")
def station(prefect_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Station]:
    """One server, one worker and one journal for the tests of this folder."""
    home = with_tables(tmp_path_factory.mktemp("station") / "vera", prefect_tables)
    server = EmbeddedServer(home, retention_days=3, start_seconds=180)
    with serving() as web:
        address = asyncio.run(server.acquire())
        environment = environment_of(home, web, address)
        applied = Command("deployments", "apply", environment=environment).ended()
        deployed = Command("prefect", "deploy", "--all", "--no-prompt", environment=environment).ended()
        worker = Command(
            *("prefect", "worker", "start", "--pool", "vera-process", "--type", "process"),
            environment=environment,
            folder=home,
            output=subprocess.DEVNULL,
        )
        try:
            yield Station(
                home=home, web=web, address=address, environment=environment, applied=applied, deployed=deployed
            )
        finally:
            worker.stop()
            server.release()
