"""What goes on beside the tasks: claiming, watching other owners, health, retention."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.codec import decode_task
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress
from vera_orchestrator.runtime.recovery import Recovery
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

LOOK_SECONDS = 0.1
LEFTOVER_SECONDS = 1.0
HEALTH_CHECK_SECONDS = 10.0
PRUNE_ROWS = 500
PRUNED = "it is no longer in the journal"
logger = logging.getLogger(__name__)


class Services:
    """Background loops of one orchestrator, from `start` to `stop`."""

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        journal: Journal,
        registry: WorkerRegistry,
        live: LiveTasks,
        ownership: Ownership,
        progress: Progress,
        recovery: Recovery,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._registry = registry
        self._live = live
        self._ownership = ownership
        self._progress = progress
        self._recovery = recovery
        self._claim_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._checked_at: dict[str, float] = {}

    def want_claim(self) -> None:
        """Look for rows without an owner soon."""
        self._claim_wanted.set()

    def start(self) -> None:
        """Start the loops."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "claim": self._claim,
            "health": self._health,
            "retention": self._retention,
        }
        self._claim_wanted.set()
        self._tasks = [
            asyncio.create_task(self._forever(name, loop), name=f"vera-{name}") for name, loop in loops.items()
        ]

    async def stop(self) -> None:
        """End the loops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _forever(self, name: str, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await once()
            except JournalUnavailable as error:
                logger.warning("%s waits for the journal: %s", name, error)
                await asyncio.sleep(LEFTOVER_SECONDS)
            except Exception:  # one failing round must not end the service
                logger.exception("%s failed in this round", name)
                await asyncio.sleep(LEFTOVER_SECONDS)

    async def _claim(self) -> None:
        """Claim when asked to, and now and then while others live or rows are left that nobody can run."""
        pause = None
        if self._ownership.has_others or self._progress.awaited_elsewhere():
            pause = LOOK_SECONDS
        elif self._recovery.leftover:
            pause = LEFTOVER_SECONDS
        try:
            await asyncio.wait_for(self._claim_wanted.wait(), pause)
        except TimeoutError:
            pass
        else:
            await self._ownership.announce(self._registry.get_all_workers())
        self._claim_wanted.clear()
        await self._recovery.claim()
        await self._watch()

    async def _watch(self) -> None:
        """See what became of tasks that other owners have."""
        keys = self._progress.awaited_elsewhere()
        if not keys:
            return
        rows = await self._journal.rows(keys)
        for key in keys:
            row = rows.get(key)
            if self._live.get(key) is not None or (row is not None and not row.status.is_final):
                continue
            task = self._live.foreign.get(key)
            if row is None:  # retention was quicker than we
                seen = Task(status=TaskStatus.CANCELLED, status_reason=PRUNED)
                seen.result = TaskResult(success=False, error=PRUNED)
            else:
                seen, _ = decode_task(row)
            if task is None:
                task = seen
            else:
                task.status, task.result, task.status_reason = seen.status, seen.result, seen.status_reason
                task.started_at, task.completed_at = seen.started_at, seen.completed_at
                task.retry_count = seen.retry_count
            self._progress.foreign_ended(key, task, row.batch if row is not None else None)

    async def _health(self) -> None:
        await asyncio.sleep(min(1.0, self._settings.health_check_interval))
        now = time.monotonic()
        due = [worker for worker in self._registry.get_all_workers() if self._is_due(worker, now)]
        await asyncio.gather(*(self._check(worker) for worker in due))

    def _is_due(self, worker: BaseWorker, now: float) -> bool:
        if worker.status in (WorkerStatus.MAINTENANCE, WorkerStatus.STARTING):
            return False
        interval = min(worker.config.health_check_interval_seconds, self._settings.health_check_interval)
        if now - self._checked_at.setdefault(worker.worker_id, now) < interval:
            return False
        self._checked_at[worker.worker_id] = now
        return True

    async def _check(self, worker: BaseWorker) -> None:
        before = worker.status
        try:
            healthy = await asyncio.wait_for(worker.health_check(), HEALTH_CHECK_SECONDS)
            reason = "the health check failed"
        except TimeoutError:
            healthy, reason = False, f"the health check took longer than {HEALTH_CHECK_SECONDS:g} s"
        except Exception as error:  # a worker of somebody else's may raise anything
            healthy, reason = False, f"the health check failed: {type(error).__name__}: {error}"
        if healthy and not worker.is_usable and worker.status is not WorkerStatus.MAINTENANCE:
            worker.status, worker.status_reason = WorkerStatus.IDLE, None
        elif not healthy:
            if worker.is_usable:
                worker.status, worker.status_reason = WorkerStatus.ERROR, worker.status_reason or reason
            if worker.config.auto_restart:
                await self._registry.start_worker(worker)
        if worker.status is not before:
            logger.info("worker %s is now %s (%s)", worker.worker_id, worker.status, worker.status_reason or "healthy")
            self._registry.changed()

    async def _retention(self) -> None:
        while True:
            deleted = await self._journal.prune(
                ended_before=time.time() - self._settings.retention_days * 86_400,
                keep=self._settings.retention_tasks,
                limit=PRUNE_ROWS,
            )
            if deleted < PRUNE_ROWS:
                break
        await asyncio.sleep(self._settings.retention_interval_seconds)
