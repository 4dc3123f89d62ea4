from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import EchoWorker, echoing, served


@pytest.fixture
async def orchestrator(tmp_path: Path) -> UnifiedOrchestrator:
    return echoing(tmp_path)


@pytest.fixture
async def client(orchestrator: UnifiedOrchestrator) -> AsyncIterator[httpx.AsyncClient]:
    async with served(orchestrator) as client:
        yield client


@pytest.fixture
def echo(orchestrator: UnifiedOrchestrator) -> EchoWorker:
    worker = orchestrator.worker_registry.require("echo")
    assert isinstance(worker, EchoWorker)
    return worker
