"""One of several orchestrators on one journal: runs no-ops on demand. `python -m benchmarks.several_driver HOME`.

The environment names the journal (VERA_DATABASE_URL). Without Prefect, so that the journal is what is measured.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from BackgroundCognition.orchestrator import OrchestratorConfig, Task, TaskResult, TaskType, UnifiedOrchestrator
from benchmarks.ours_driver import SLOTS, NoopWorker
from benchmarks.serving import serve


class Member:
    """An orchestrator with a no-op worker."""

    def __init__(self, home: Path) -> None:
        config = OrchestratorConfig(home=home, prefect="off", max_concurrent_tasks=SLOTS, docker_pool_size=0)
        self._orchestrator = UnifiedOrchestrator(config)

    async def start(self) -> dict[str, Any]:
        """Start, and take in the worker."""
        await self._orchestrator.start()
        await self._orchestrator.worker_registry.register(NoopWorker())
        return {}

    async def latency(self, count: int) -> dict[str, Any]:
        """Submit no-ops and wait for each, one after the other; milliseconds each."""
        times: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            await self._one()
            times.append((time.perf_counter() - began) * 1_000)
        return {"ms": times}

    async def single(self, count: int) -> dict[str, Any]:
        """Submit single no-ops, SLOTS at a time; seconds, and seconds of the processor."""
        left = iter(range(count))

        async def caller() -> None:
            for _ in left:
                await self._one()

        began, used = time.perf_counter(), _processor_seconds()
        await asyncio.gather(*(caller() for _ in range(SLOTS)))
        return {"seconds": time.perf_counter() - began, "processor": _processor_seconds() - used}

    async def batch(self, count: int) -> dict[str, Any]:
        """Submit one batch of no-ops; see `single`."""
        began, used = time.perf_counter(), _processor_seconds()
        results = await self._orchestrator.submit_batch([Task(type=TaskType.CUSTOM) for _ in range(count)], wait=True)
        if isinstance(results, str) or not all(result.success for result in results):
            raise RuntimeError("a no-op failed")
        return {"seconds": time.perf_counter() - began, "processor": _processor_seconds() - used}

    async def _one(self) -> None:
        result = await self._orchestrator.submit_task(Task(type=TaskType.CUSTOM), wait=True)
        if not isinstance(result, TaskResult) or not result.success:
            raise RuntimeError("a no-op failed")

    async def quit(self) -> dict[str, Any]:
        """Stop."""
        await self._orchestrator.stop()
        return {}


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system


async def main() -> None:
    """Answer commands."""
    member = Member(Path(sys.argv[1]))
    names = ("start", "latency", "single", "batch", "quit")
    await serve({name: getattr(member, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
