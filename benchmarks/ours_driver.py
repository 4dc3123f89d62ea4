"""Runs no-ops through the orchestrator, by its public surface, and measures."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from BackgroundCognition.orchestrator import (
    BaseWorker,
    OrchestratorConfig,
    Task,
    TaskResult,
    TaskType,
    UnifiedOrchestrator,
    WorkerCapability,
    WorkerConfig,
    WorkerStatus,
)
from benchmarks.bare_sandbox import bare_times
from benchmarks.serving import serve

SLOTS = 64
FILL_CHUNK = 1_000
PROGRAM = "print('ready')"


class NoopWorker(BaseWorker):
    """Does nothing, `SLOTS` times at once."""

    def __init__(self) -> None:
        super().__init__("noop", [WorkerCapability.CUSTOM], WorkerConfig(max_concurrent_tasks=SLOTS))

    async def start(self) -> bool:
        """Be ready."""
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        """Let go of nothing."""
        self.status = WorkerStatus.OFFLINE
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        """Succeed."""
        return TaskResult(success=True)

    async def health_check(self) -> bool:
        """Return that all is well."""
        return True


class OursDriver:
    """One orchestrator in this process, with its state in `home`."""

    def __init__(self, home: Path) -> None:
        self._orchestrator = UnifiedOrchestrator(OrchestratorConfig(home=home, max_concurrent_tasks=SLOTS))

    async def start(self) -> dict[str, Any]:
        """Start and take in the worker; the seconds are those of `start()` alone."""
        began = time.perf_counter()
        await self._orchestrator.start()
        seconds = time.perf_counter() - began
        await self._orchestrator.worker_registry.register(NoopWorker())
        return {"seconds": seconds}

    async def latency(self, count: int) -> dict[str, Any]:
        """Submit no-ops and wait for each, one after the other; milliseconds."""
        return {"ms": await _times(count, self._noop)}

    async def batch(self, count: int) -> dict[str, Any]:
        """Submit one batch of independent no-ops and wait for all results; seconds, making the tasks included."""
        began = time.perf_counter()
        tasks = [Task(type=TaskType.CUSTOM) for _ in range(count)]
        results = await self._orchestrator.submit_batch(tasks, wait=True)
        seconds = time.perf_counter() - began
        if len(results) != count:
            raise RuntimeError(f"{len(results)} results for {count} tasks")
        for result in results:
            _check(result)
        return {"seconds": seconds}

    async def fill(self, count: int) -> dict[str, Any]:
        """Leave `count` ended tasks in the journal, by batches of 1,000."""
        began = time.perf_counter()
        for start in range(0, count, FILL_CHUNK):
            await self.batch(min(FILL_CHUNK, count - start))
        return {"seconds": time.perf_counter() - began}

    async def sandbox(self, count: int) -> dict[str, Any]:
        """Run a small program as a task of type code_execution, one after the other; milliseconds."""
        return {"ms": await _times(count, self._program)}

    async def bare(self, count: int) -> dict[str, Any]:
        """Run the same program by bubblewrap alone, from this process; milliseconds."""
        return {"ms": await asyncio.to_thread(bare_times, PROGRAM, count)}

    async def quit(self) -> dict[str, Any]:
        """Stop the orchestrator."""
        await self._orchestrator.stop()
        return {}

    async def _noop(self) -> None:
        _check(await self._orchestrator.submit_task(Task(type=TaskType.CUSTOM), wait=True))

    async def _program(self) -> None:
        task = Task(type=TaskType.CODE_EXECUTION, payload={"code": PROGRAM, "language": "python"})
        _check(await self._orchestrator.submit_task(task, wait=True))


def _check(result: str | TaskResult) -> None:
    if not isinstance(result, TaskResult) or not result.success:
        raise RuntimeError(f"a task did not succeed: {result}")


async def _times(count: int, once: Callable[[], Coroutine[Any, Any, None]]) -> list[float]:
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await once()
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def main() -> None:
    """Serve commands for the state folder in the variable BENCH_HOME."""
    driver = OursDriver(Path(os.environ["BENCH_HOME"]))
    names = ("start", "latency", "batch", "fill", "sandbox", "bare", "quit")
    await serve({name: getattr(driver, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
