"""The whole API on a port, over workers that answer at once and reach nobody."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from api import create_app
from BackgroundCognition.orchestrator import LLMAPIWorker, TaskResult, UnifiedOrchestrator
from tests.api.support import EchoWorker, settings
from vera_orchestrator.simulator.running import address, listen, serving

KEY = "a-key-for-fuzzing"
LONGEST_WAIT = 0.05


class Impatient(UnifiedOrchestrator):
    """Waits for nobody for long, and asks no provider on the internet."""

    nowhere = "http://127.0.0.1:9/v1"

    async def wait_for(self, task_id: str, timeout: float | None = None) -> TaskResult:  # noqa: ASYNC109
        """Wait for a moment at most, where the caller says how long."""
        return await super().wait_for(task_id, None if timeout is None else min(timeout, LONGEST_WAIT))

    async def wait_for_batch(self, batch_id: str, timeout: float | None = None) -> list[TaskResult]:  # noqa: ASYNC109
        """Wait for a moment at most."""
        return await super().wait_for_batch(batch_id, LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT))

    async def register_llm_api(self, *given: Any, **named: Any) -> str:
        """Register a provider whose address is that of nobody."""
        return await super().register_llm_api(*given, **{**named, "base_url": named.get("base_url") or self.nowhere})


@contextmanager
def fuzzed(home: Path) -> Generator[str]:
    """Serve the API while the block lasts, and give its address."""
    with serving() as simulator:
        config = settings(home, require_key="always", api_key=KEY, unavailable_wait_seconds=0, docker_pool_size=0)
        orchestrator = Impatient(config)
        orchestrator.worker_registry.add(EchoWorker())
        orchestrator.worker_registry.add(
            LLMAPIWorker("openai", "sk-fuzz", base_url=f"{simulator.url}/openai/v1", worker_id="simulated")
        )
        listening = listen(0)
        server = uvicorn.Server(
            uvicorn.Config(create_app(orchestrator), log_level="error", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, args=([listening],), name="fuzzed", daemon=True)
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            thread.join()
            listening.close()
