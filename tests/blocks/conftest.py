from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.conftest import running_server, state
from vera_orchestrator.simulator.running import serving

__all__ = ["running_server", "state"]  # pytest finds fixtures by these names here


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """The address of simulated providers of all kinds."""
    with serving() as served:
        yield served.url
