from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.metrics.scraping import Scraper
from tests.api.support import LOCAL, EchoWorker, settings
from tests.runtime.metered import Metered


@pytest.fixture
def orchestrator(tmp_path: Path) -> UnifiedOrchestrator:
    """One with a worker that echoes and one that costs money, under a limit."""
    limits = {"max_concurrent_tasks": 1, "llm_limits": {"tokens_per_day": 1_000}}
    one = UnifiedOrchestrator(settings(tmp_path, docker_pool_size=0, database_url="memory://", **limits))
    one.worker_registry.add(EchoWorker())
    one.worker_registry.add(Metered())
    return one


@pytest.fixture
async def scraper(orchestrator: UnifiedOrchestrator) -> AsyncIterator[Scraper]:
    app = create_app(orchestrator)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=LOCAL) as client,
    ):
        yield Scraper(client)
