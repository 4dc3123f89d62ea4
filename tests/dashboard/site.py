"""The real app on loopback, which can go away and come back, with workers that the test holds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from api import create_app
from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from tests.http.server import free_port
from tests.support import Gate, Scripted, soon
from tests.support import settings as quick_settings

DISK_FULL = "the disk is full: 0 bytes left."
FREE_SPACE = "Free some space, or set another folder."


class Site:
    """An orchestrator and its page."""

    def __init__(self, orchestrator: UnifiedOrchestrator) -> None:
        self.orchestrator = orchestrator
        self.gate = Gate("gate", ("custom", "gated"), slots=8)
        self.failing = Scripted(_fail, "failing", ("failing",), slots=4)
        self.url = ""
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, at the same address as before."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        config = uvicorn.Config(create_app(self.orchestrator), log_config=None, timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        """Go away, with all connections."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await soon(self._serving)

    async def submit(self, task: Task) -> str:
        """Submit a task and return its id."""
        task_id = await soon(self.orchestrator.submit_task(task))
        assert isinstance(task_id, str)
        return task_id


async def _fail(task: Task) -> TaskResult:
    del task
    return TaskResult(success=False, error=f"{DISK_FULL} {FREE_SPACE}", retryable=False)


@asynccontextmanager
async def site_at(home: Path, **more: Any) -> AsyncGenerator[Site]:
    """Run a site while the block lasts; `more` are settings."""
    options: dict[str, Any] = {
        "docker_pool_size": 0,
        "ollama_url": f"http://127.0.0.1:{free_port()}",
        "database_url": "memory://",
        "drain_seconds": 0,
        **more,
    }
    site = Site(UnifiedOrchestrator(quick_settings(home, **options)))
    for worker in (site.gate, site.failing):
        site.orchestrator.worker_registry.add(worker)
    await soon(site.orchestrator.start())
    try:
        await site.open()
        yield site
    finally:
        await site.close()
        await soon(site.orchestrator.stop())
