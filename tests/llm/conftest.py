from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.llm.stage import MODEL, PATHS, Fleet, Make, maker, registered
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request of these tests on loopback."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes started orchestrators."""
    async with maker(tmp_path / "state") as start:
        yield start


@pytest.fixture(scope="session")
def first_providers() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def second_providers() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def provider(first_providers: Running) -> Running:
    """Simulated providers of all kinds, as they are when nobody has asked yet; they know one model."""
    return _anew(first_providers)


@pytest.fixture
def other(second_providers: Running) -> Running:
    """Providers of their own beside these."""
    return _anew(second_providers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory, first_providers: Running) -> AsyncIterator[Fleet]:
    """One orchestrator for the tests of a module, which run on its loop."""
    async with maker(tmp_path_factory.mktemp("fleet") / "state") as make:
        one = await make(ollama_url=first_providers.url)
        (ollama,) = [worker for worker in one.worker_registry.get_all_workers() if "ollama" in worker.capabilities]
        workers = {kind: await registered(one, kind, first_providers.url) for kind in PATHS}
        yield Fleet(one, {**workers, "ollama": ollama})


def _anew(running: Running) -> Running:
    running.simulator.forget()
    tell(running.simulator)
    return running


def tell(simulator: Simulator, **values: object) -> None:
    """Set a simulator that knows one model."""
    simulator.configure(SimulatorSettings.model_validate({"models": (MODEL,), **values}))
