from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.server import Server, serving
from tests.workers.llm.model import llama_server, write_model
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.running import serving as serve_simulator
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

KEY = "sk-test-0123456789"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request of these tests on loopback."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real llama.cpp server, whose only key is KEY."""
    path: Path = tmp_path_factory.mktemp("model") / "random.gguf"
    write_model(path)
    with llama_server(path, key=KEY) as address:
        yield address


@pytest.fixture
def simulated_provider() -> Iterator[Server]:
    """A server that a test lets answer like a provider; for what a real one cannot be made to answer."""
    with serving() as running:
        yield running


class Pauses(list[float]):
    """The pauses that the simulator would have made, in seconds."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture(scope="session")
def simulating() -> Iterator[Running]:
    """The project's simulator of all providers, which never waits."""
    with serve_simulator(Simulator(sleep=Pauses())) as running:
        yield running


@pytest.fixture
def simulator(simulating: Running) -> Simulator:
    """The simulator as it is when nothing was set and nobody asked."""
    simulating.simulator.configure(SimulatorSettings())
    simulating.simulator.forget()
    return simulating.simulator
