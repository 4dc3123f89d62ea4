from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks import registrations
from tests.engine.conftest import running_server, state
from tests.support import PATIENCE
from vera_orchestrator.engine import connection
from vera_orchestrator.simulator.running import serving

__all__ = ["running_server", "state"]  # pytest finds fixtures by these names here


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """The address of simulated providers of all kinds."""
    with serving() as served:
        yield served.url


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let start and end wait for what is read and written, however slow the machine is."""
    monkeypatch.setattr(connection, "CALL_SECONDS", PATIENCE)
    for limit in ("FIRST_LOAD_SECONDS", "GOODBYE_SECONDS"):
        monkeypatch.setattr(registrations, limit, PATIENCE)
