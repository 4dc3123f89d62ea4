"""The program that the crash tests kill: `submit` takes tasks in until it is killed, `resume` finishes what is left.

Each execution appends the task's id to a file, so that the test can count them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from BackgroundCognition.orchestrator import (
    BaseWorker,
    OrchestratorConfig,
    Task,
    TaskResult,
    UnifiedOrchestrator,
    WorkerCapability,
    WorkerConfig,
    WorkerStatus,
)

CONCURRENCY = 100


class Sleeper(BaseWorker):
    """Takes `seconds` for a task and writes its id to a file first."""

    def __init__(self, log: Path, seconds: float) -> None:
        super().__init__("sleeper", [WorkerCapability.CUSTOM], WorkerConfig(max_concurrent_tasks=CONCURRENCY))
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._seconds = seconds

    async def start(self) -> bool:
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        return True

    async def health_check(self) -> bool:
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        os.write(self._log, f"{task.id}\n".encode())
        await asyncio.sleep(self._seconds)
        return TaskResult(success=True, data=task.id)


async def submit(config: OrchestratorConfig, log: Path, count: int, seconds: float) -> None:
    """Submit tasks, printing each id once it is acknowledged; then wait to be killed."""
    orchestrator = UnifiedOrchestrator(config)
    await orchestrator.start()
    await orchestrator.worker_registry.register(Sleeper(log, seconds))
    print("ready", flush=True)
    for number in range(count):
        print(await orchestrator.submit_task(Task(id=f"task-{number}")), flush=True)
    print("all", flush=True)
    await asyncio.Event().wait()


async def resume(config: OrchestratorConfig, log: Path, seconds: float) -> None:
    """Go on with what is unfinished, with the worker registered only after the start."""
    orchestrator = UnifiedOrchestrator(config)
    await orchestrator.start()
    await orchestrator.worker_registry.register(Sleeper(log, seconds))
    unfinished = [
        task["id"]
        for status in ("queued", "running")
        for task in orchestrator.get_task_history(limit=1_000_000, status_filter=status)
    ]
    await asyncio.gather(*(orchestrator.wait_for(task_id, timeout=300) for task_id in unfinished))
    await orchestrator.stop()


def main() -> None:
    """Read the arguments and run."""
    command, home, prefect, count, seconds = sys.argv[1:]
    config = OrchestratorConfig(home=home, prefect=prefect, max_concurrent_tasks=CONCURRENCY)
    log = Path(home) / "executions"
    if command == "submit":
        asyncio.run(submit(config, log, int(count), float(seconds)))
    else:
        asyncio.run(resume(config, log, float(seconds)))


if __name__ == "__main__":
    main()
