from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.openai.stage import Stage, served
from tests.llm.conftest import _no_proxies, tell  # pyright: ignore[reportPrivateUsage]
from tests.llm.stage import Make, maker, registered
from vera_orchestrator.simulator.running import Running, serving

__all__ = ["_no_proxies"]


@pytest.fixture(scope="session")
def simulated() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, simulated: Running) -> AsyncIterator[Stage]:
    """One app for the tests of a module, which run on its loop; `models` has one of each kind of provider."""
    tell(simulated.simulator)
    async with maker(tmp_path_factory.mktemp("openai") / "state") as make:
        one = await make(llm_model_classes={"fast": ["m"]})
        for kind in ("openai", "anthropic", "gemini"):
            await registered(one, kind, simulated.url, worker_id=kind, default_model="m")
        async with served(one) as stage:
            yield stage


@pytest.fixture(autouse=True)
def provider(simulated: Running) -> Running:
    """The simulated providers as they are when nobody has asked yet; they know one model."""
    simulated.simulator.forget()
    tell(simulated.simulator)
    return simulated


@pytest_asyncio.fixture(loop_scope="module")
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes started orchestrators."""
    async with maker(tmp_path / "state") as start:
        yield start
