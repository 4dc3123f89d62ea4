"""Workers and an orchestrator for tests: real parts, no Prefect, nothing outside the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from vera_orchestrator.compose import sealer_of
from vera_orchestrator.engine.base import PlainEngine
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.models import Task, TaskRequirements, TaskResult, WorkerConfig
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.runtime.parts import Outside
from vera_orchestrator.runtime.settlement import Hooks
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

PATIENCE = 90.0
"""Seconds to wait for what must come, on a machine that does much else too."""

Behaviour = Callable[[Task], Awaitable[TaskResult]]


class Scripted(BaseWorker):
    """Runs a function of the test's, and notes which tasks ran and how many at once."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        worker_id: str = "scripted",
        capabilities: Iterable[str] = ("custom",),
        *,
        slots: int = 1_000,
        **config: Any,
    ) -> None:
        super().__init__(worker_id, capabilities, WorkerConfig(max_concurrent_tasks=slots, **config))
        self._behaviour = behaviour or echo
        self.healthy = True
        self.starts = 0
        self.ran: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    async def start(self) -> bool:
        self.starts += 1
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        return True

    async def health_check(self) -> bool:
        return self.healthy

    async def execute_task(self, task: Task) -> TaskResult:
        self.ran.append(task.id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._behaviour(task)
        finally:
            self.at_once -= 1


class Gate(Scripted):
    """Holds every task until the gate is opened; `entered` gives the ids of tasks as they come in."""

    def __init__(self, worker_id: str = "gate", capabilities: Iterable[str] = ("custom",), **config: Any) -> None:
        super().__init__(self._pass, worker_id, capabilities, **config)
        self.opened = asyncio.Event()
        self.entered: asyncio.Queue[str] = asyncio.Queue()

    async def _pass(self, task: Task) -> TaskResult:
        self.entered.put_nowait(task.id)
        await self.opened.wait()
        return await echo(task)

    async def next(self) -> str:
        """Return the id of the next task that came in."""
        return await soon(self.entered.get())

    def open(self) -> None:
        """Let all tasks go on."""
        self.opened.set()


class Failing(Scripted):
    """Fails the first `times` attempts of each task with what `fail` raises or returns; then succeeds."""

    def __init__(self, times: int = 1_000_000, fail: Behaviour | None = None, **more: Any) -> None:
        options: dict[str, Any] = {"worker_id": "failing", **more}
        super().__init__(self._maybe, **options)
        self._times = times
        self._fail = fail or _raise
        self.attempts: dict[str, int] = {}

    async def _maybe(self, task: Task) -> TaskResult:
        number = self.attempts[task.id] = self.attempts.get(task.id, 0) + 1
        return await (self._fail(task) if number <= self._times else echo(task))


async def echo(task: Task) -> TaskResult:
    """Succeed with the payload's `data`."""
    return TaskResult(success=True, data=task.payload.get("data"))


def needs(*capabilities: str, **more: Any) -> TaskRequirements:
    """Return the requirement of these capabilities."""
    return TaskRequirements(worker_capabilities=list(capabilities), **more)


async def _raise(task: Task) -> TaskResult:
    raise RuntimeError(f"boom in {task.id}")


class Settable(PlainEngine):
    """Records nothing; the test sets its limits."""

    def limit(self, **limits: int) -> None:
        """Set the limits by task type and tell the orchestrator."""
        self.status.limits = limits
        self.on_changed_limits()


def settings(home: Path, **more: Any) -> OrchestratorConfig:
    """Return settings for a test: no Prefect, quick services, and no limit on tasks that could come in the way."""
    quick = {"max_concurrent_tasks": 1_000, "health_check_interval": 3_600, "lease_renew_seconds": 0.05}
    quick["freeze_garbage"] = False  # each start would walk all that the test run has loaded, for 0.3 s
    return OrchestratorConfig(**{"home": home, "prefect": "off", **quick, **more})


def orchestrator(
    home: Path, *workers: BaseWorker, journal: Journal | None = None, router: TaskRouter | None = None, **more: Any
) -> Orchestrator:
    """Return an orchestrator that is not started, with these workers; `more` are settings."""
    config = settings(home, **more)
    config.home.mkdir(parents=True, exist_ok=True)
    registry = WorkerRegistry()
    for worker in workers:
        registry.add(worker)
    return Orchestrator(
        Outside(
            config=config,
            journal=journal or make_journal(config.journal_url),
            engine=Settable(),
            sealer=sealer_of(config),
            registry=registry,
            router=router or TaskRouter(),
            scope=lambda _: True,
            hooks=Hooks(),
        )
    )


T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait for something that must come, and fail rather than hang if it does not."""
    return await asyncio.wait_for(awaitable, PATIENCE)


async def run(orchestrator: Orchestrator, task: Task) -> TaskResult:
    """Submit a task and return its result."""
    result = await soon(orchestrator.submit_task(task, wait=True))
    assert isinstance(result, TaskResult)
    return result


async def run_batch(orchestrator: Orchestrator, tasks: list[Task], **options: Any) -> list[TaskResult]:
    """Submit a batch and return its results."""
    results = await soon(orchestrator.submit_batch(tasks, wait=True, **options))
    assert not isinstance(results, str)
    return results


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until a condition holds; only for what nothing can be awaited for."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.to_thread(_nothing)


def _nothing() -> None:
    """Give the event loop and the other threads a turn."""
