"""Asks a server through the orchestrator, by its public surface, and measures.

The variables BENCH_LLM_URL and BENCH_HOME name the server and the state folder.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from BackgroundCognition.orchestrator import (
    APIQuota,
    OrchestratorConfig,
    Task,
    TaskResult,
    TaskType,
    UnifiedOrchestrator,
)
from benchmarks.llm_load import KEY, MAX_TOKENS, MODEL, PLENTY, SLOTS, Load
from benchmarks.serving import serve

QUOTA = APIQuota(requests_per_minute=PLENTY, requests_per_hour=PLENTY, requests_per_day=PLENTY)


class LLMDriver:
    """One orchestrator with a worker for the server; its limits hold, and are never reached."""

    def __init__(self, home: Path, url: str) -> None:
        config = OrchestratorConfig(home=home, max_concurrent_tasks=SLOTS, llm_keys_from_environment=False)
        self._orchestrator = UnifiedOrchestrator(config)
        self._url = url
        self._load = Load(self._once)

    async def start(self) -> dict[str, Any]:
        """Start, and take in the worker."""
        await self._orchestrator.start()
        await self._orchestrator.register_llm_api(
            "openai", KEY, rate_limit_per_minute=PLENTY, quota=QUOTA, base_url=self._url, default_model=MODEL
        )
        return {}

    async def offer(self, count: int, at_a_time: int) -> dict[str, Any]:
        """Submit tasks and wait for each; see `Load`."""
        return await self._load.offer(count, at_a_time)

    async def quit(self) -> dict[str, Any]:
        """Stop the orchestrator."""
        await self._orchestrator.stop()
        return {}

    async def _once(self, prompt: str) -> None:
        payload = {"prompt": prompt, "max_tokens": MAX_TOKENS, "temperature": 0}
        task = Task(type=TaskType.LLM_REQUEST, payload=payload)
        result = await self._orchestrator.submit_task(task, wait=True)
        if not isinstance(result, TaskResult) or not result.success:
            raise RuntimeError(f"a request did not succeed: {result}")
        if result.metrics.get("output_tokens") != MAX_TOKENS:
            raise RuntimeError(f"not the answer that was asked for: {result}")


async def main() -> None:
    """Answer commands."""
    driver = LLMDriver(Path(os.environ["BENCH_HOME"]), os.environ["BENCH_LLM_URL"])
    await serve({name: getattr(driver, name) for name in ("start", "offer", "quit")})


if __name__ == "__main__":
    asyncio.run(main())
