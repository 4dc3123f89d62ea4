from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import orchestrator, soon
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.base import BaseWorker

Make = Callable[..., Awaitable[Orchestrator]]


@asynccontextmanager
async def maker(home: Path, **settings: Any) -> AsyncGenerator[Make]:
    """Make started orchestrators with one state folder, and stop them at the end."""
    made: list[Orchestrator] = []

    async def start(*workers: BaseWorker, **more: Any) -> Orchestrator:
        options: dict[str, Any] = {"drain_seconds": 0, **settings, **more}
        one = orchestrator(home, *workers, **options)
        made.append(one)
        await soon(one.start())
        return one

    yield start
    for one in made:
        await soon(one.stop())


@pytest.fixture(params=["memory", "sqlite"])
async def make(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes started orchestrators, on each kind of journal."""
    settings = {"database_url": "memory://"} if request.param == "memory" else {}
    async with maker(tmp_path / "state", **settings) as start:
        yield start


@pytest.fixture
async def make_on_disk(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes started orchestrators, all of them on one SQLite journal."""
    async with maker(tmp_path / "state") as start:
        yield start


@pytest.fixture(params=["sqlite", "postgresql"])
async def make_shared(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes started orchestrators, all of them on one journal that processes may share."""
    settings = {"database_url": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}
    async with maker(tmp_path / "state", **settings) as start:
        yield start
