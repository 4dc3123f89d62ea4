"""Serves an orchestrator with a no-op worker over HTTP. `python -m benchmarks.submit_server PORT`.

The environment names its state folder and its journal (VERA_HOME, VERA_DATABASE_URL).
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from api.app import create_app
from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator
from benchmarks.ours_driver import SLOTS, NoopWorker


async def main() -> None:
    """Serve until SIGTERM."""
    orchestrator = UnifiedOrchestrator(OrchestratorConfig(max_concurrent_tasks=SLOTS, docker_pool_size=0))
    await orchestrator.start()
    await orchestrator.worker_registry.register(NoopWorker())
    app = create_app(orchestrator)
    config = uvicorn.Config(app, port=int(sys.argv[1]), access_log=False, log_level="warning", proxy_headers=False)
    try:
        await uvicorn.Server(config).serve()
    finally:
        await orchestrator.stop()


if __name__ == "__main__":
    asyncio.run(main())
