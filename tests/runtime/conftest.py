from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import orchestrator, soon
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.base import BaseWorker

Make = Callable[..., Awaitable[Orchestrator]]


@pytest.fixture(params=["memory", "sqlite"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The setting that chooses the journal."""
    return {"database_url": "memory://"} if request.param == "memory" else {}


@pytest.fixture
async def make(tmp_path: Path, database: dict[str, Any]) -> AsyncIterator[Make]:
    """Makes started orchestrators on each kind of journal and stops them at the end."""
    made: list[Orchestrator] = []

    async def start(*workers: BaseWorker, **more: Any) -> Orchestrator:
        options: dict[str, Any] = {"drain_seconds": 0, **database, **more}
        one = orchestrator(tmp_path / "state", *workers, **options)
        made.append(one)
        await soon(one.start())
        return one

    yield start
    for one in made:
        await soon(one.stop())


@pytest.fixture
async def make_on_disk(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes started orchestrators on one SQLite journal and stops them at the end."""
    made: list[Orchestrator] = []

    async def start(*workers: BaseWorker, **more: Any) -> Orchestrator:
        options: dict[str, Any] = {"drain_seconds": 0, **more}
        one = orchestrator(tmp_path / "state", *workers, **options)
        made.append(one)
        await soon(one.start())
        return one

    yield start
    for one in made:
        await soon(one.stop())
