"""What goes on beside the tasks: claiming, watching other owners, health, retention."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import JournalUnavailable, LeaseLost
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import ALL_NEWS, NO_NEWS, News, TaskRow
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.codec import legible_task
from vera_orchestrator.runtime.deliverer import Deliverer
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress
from vera_orchestrator.runtime.recovery import Recovery
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.windows import SECOND
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

LOOK_SECONDS = 0.1
"""How often to look for what other processes have written, where the journal does not tell."""

LISTENING_LOOK_SECONDS = 5.0
"""How often to look where it does."""

WATCH_SECONDS_PER_TASK = 0.0002
WATCH_SECONDS = 1.0
LEFTOVER_SECONDS = 1.0
HEALTH_CHECK_SECONDS = 10.0
PRUNE_ROWS = 500
DAY = 86_400
LEDGER_DAYS = 3.0
"""How long uses are kept at least: a day in any time zone must be whole."""
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
        deliverer: Deliverer,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._registry = registry
        self._live = live
        self._ownership = ownership
        self._progress = progress
        self._recovery = recovery
        self._deliverer = deliverer
        self._woken = asyncio.Event()
        self._news = NO_NEWS
        self._is_asked = False
        self._tasks: list[asyncio.Task[Any]] = []
        self._is_stopping = False
        self._checks: dict[BaseWorker, asyncio.Task[None]] = {}
        self._checked_at: dict[str, float] = {}
        self._watch_at = 0.0
        self._has_missed_ends = False

    def want_claim(self) -> None:
        """Look soon for rows without an owner, and for what other owners have done; tell them of the workers here."""
        self._is_asked = True
        self.hear(ALL_NEWS)

    def hear(self, news: News) -> None:
        """Look soon for what another process has written."""
        self._news |= news
        self._woken.set()

    def start(self) -> None:
        """Start the loops."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "claim": self._look,
            "health": self._health,
            "retention": self._retention,
            "webhooks": self._deliverer.look,
        }
        self._is_stopping = False
        self.want_claim()
        self._tasks = [
            asyncio.create_task(self._forever(name, loop), name=f"vera-{name}") for name, loop in loops.items()
        ]

    async def stop(self) -> None:
        """End the loops, and the health checks that go on."""
        self._is_stopping = True
        ending = [*self._tasks, *self._checks.values()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._tasks = []
        self._checks.clear()

    async def _forever(self, name: str, once: Callable[[], Awaitable[None]]) -> None:
        while not self._is_stopping:
            try:
                await once()
            except JournalUnavailable as error:
                logger.warning("%s waits for the journal: %s", name, error)
                await asyncio.sleep(LEFTOVER_SECONDS)
            except LeaseLost as error:
                logger.warning("%s: %s", name, error)
                self._ownership.begin_anew()
                await asyncio.sleep(LEFTOVER_SECONDS)
            except Exception:  # one failing round must not end the service
                logger.exception("%s failed in this round", name)
                await asyncio.sleep(LEFTOVER_SECONDS)

    async def _look(self) -> None:
        """Look at what other processes have written: when told, and now and then where they may not tell."""
        try:
            async with asyncio.timeout(self._pause()):
                await self._woken.wait()
        except TimeoutError:
            self._news = ALL_NEWS
        self._woken.clear()
        asked, self._is_asked = self._is_asked, False
        news, self._news = self._news, NO_NEWS
        try:
            if asked:
                await self._ownership.announce(self._registry.get_all_workers())
            if News.UNOWNED in news or self._ownership.is_uncertain:
                await self._recovery.claim()
            if News.CANCELLATIONS in news:
                await self._recovery.heed_cancellations()
            if News.ENDED in news:
                await self._watch(at_once=asked)
        except Exception:
            self._is_asked = self._is_asked or asked  # what was asked for is still to be done
            self.hear(news)
            raise

    def _pause(self) -> float | None:
        """Return how long to wait for news at most."""
        look = LISTENING_LOOK_SECONDS if self._journal.is_listening else LOOK_SECONDS
        pauses: list[float] = []
        if self._ownership.has_others or self._progress.awaited_elsewhere():
            pauses.append(look)
        if self._recovery.leftover or self._ownership.is_uncertain:
            pauses.append(LEFTOVER_SECONDS)
        if self._recovery.unheeded:
            pauses.append(LOOK_SECONDS)
        if self._has_missed_ends:
            pauses.append(max(0.0, self._watch_at - time.monotonic()))
        return min(pauses, default=None)

    async def _watch(self, *, at_once: bool) -> None:
        """See what became of tasks that other owners have; the more there are, the less often."""
        keys = self._progress.awaited_elsewhere()
        self._has_missed_ends = bool(keys) and time.monotonic() < self._watch_at and not at_once
        if not keys or self._has_missed_ends:
            return
        rows = await self._journal.rows(keys)
        self._watch_at = time.monotonic() + min(WATCH_SECONDS, len(keys) * WATCH_SECONDS_PER_TASK)
        for key in keys:
            row = rows.get(key)
            if self._live.get(key) is None and (row is None or row.status.is_final):
                self._foreign_ended(key, row)

    def _foreign_ended(self, key: int, row: TaskRow | None) -> None:
        batch = row.batch if row is not None else self._batch_of(key)
        state = self._progress.batches.get(batch)
        task = self._live.foreign.get(key) or (state.tasks.get(key) if state is not None else None)
        if row is None:  # retention was quicker than we
            seen = Task(status=TaskStatus.CANCELLED, status_reason=PRUNED)
            seen.result = TaskResult(success=False, error=PRUNED)
        else:
            seen = legible_task(row)
        if task is None:
            task = seen
        else:
            task.status, task.result, task.status_reason = seen.status, seen.result, seen.status_reason
            task.started_at, task.completed_at = seen.started_at, seen.completed_at
            task.retry_count = seen.retry_count
        self._progress.foreign_ended(key, task, batch)

    def _batch_of(self, key: int) -> int | None:
        """Return the batch here that has a task; None if none has."""
        return next((state.key for state in self._progress.batches if key in state.tasks), None)

    async def _health(self) -> None:
        await asyncio.sleep(min(1.0, self._settings.health_check_interval))
        now = time.monotonic()
        for worker in self._registry.get_all_workers():
            if worker not in self._checks and self._is_due(worker, now):  # a slow one holds up only itself
                self._checks[worker] = asyncio.create_task(self._checked(worker), name="vera-check")

    def _is_due(self, worker: BaseWorker, now: float) -> bool:
        if worker.status in (WorkerStatus.MAINTENANCE, WorkerStatus.STARTING):
            return False
        interval = min(worker.config.health_check_interval_seconds, self._settings.health_check_interval)
        if now - self._checked_at.setdefault(worker.worker_id, now) < interval:
            return False
        self._checked_at[worker.worker_id] = now
        return True

    async def _checked(self, worker: BaseWorker) -> None:
        try:
            await self._check(worker)
        except Exception:
            logger.exception("the health check of worker %s failed", worker.worker_id)
        finally:
            self._checks.pop(worker, None)

    async def _check(self, worker: BaseWorker) -> None:
        before = worker.status
        healthy, reason = await _is_healthy(worker)
        if self._is_gone(worker):
            return
        if healthy and not worker.is_usable and worker.status is not WorkerStatus.MAINTENANCE:
            worker.status, worker.status_reason = WorkerStatus.IDLE, None
        elif not healthy:
            if worker.is_usable:
                worker.status, worker.status_reason = WorkerStatus.ERROR, worker.status_reason or reason
            if worker.config.auto_restart:
                await self._restart(worker)
                if self._is_gone(worker):
                    return
        if worker.status is not before:
            logger.info("worker %s is now %s (%s)", worker.worker_id, worker.status, worker.status_reason or "healthy")
            self._registry.changed()

    async def _restart(self, worker: BaseWorker) -> None:
        await self._registry.start_worker(worker)
        if self._is_gone(worker):  # it was stopped while it started
            await self._registry.stop_worker(worker)

    def _is_gone(self, worker: BaseWorker) -> bool:
        return self._registry.get_worker(worker.worker_id) is not worker

    async def _retention(self) -> None:
        while True:
            deleted = await self._journal.prune(
                ended_before=time.time() - self._settings.retention_days * DAY,
                keep=self._settings.retention_tasks,
                limit=PRUNE_ROWS,
            )
            if deleted < PRUNE_ROWS:
                break
        await self._prune_ledger()
        await self._prune_audit()
        await self._prune_outbox()
        await self._recovery.end_forgotten_batches()
        await asyncio.sleep(self._settings.retention_interval_seconds)

    async def _prune_outbox(self) -> None:
        before = time.time() - self._settings.retention_days * 86_400
        while await self._journal.outbox.prune(before=before, limit=PRUNE_ROWS) >= PRUNE_ROWS:
            pass

    async def _prune_ledger(self) -> None:
        days = max(self._settings.retention_days, LEDGER_DAYS)
        before = round((time.time() - days * DAY) * SECOND)
        answers_before = time.time() - self._settings.llm_cache_seconds
        prune = self._journal.ledger.prune
        while await prune(before=before, answers_before=answers_before, limit=PRUNE_ROWS) >= PRUNE_ROWS:
            pass

    async def _prune_audit(self) -> None:
        before = time.time() - self._settings.audit_days * DAY
        while await self._journal.access.prune_audit(before=before, limit=PRUNE_ROWS) >= PRUNE_ROWS:
            pass


async def _is_healthy(worker: BaseWorker) -> tuple[bool, str]:
    """Return whether a worker says that it is well, and the reason to give if it does not."""
    limit = asyncio.timeout(HEALTH_CHECK_SECONDS)
    try:
        async with limit:
            return await worker.health_check(), "the health check failed"
    except Exception as error:  # a worker of somebody else's may raise anything
        if limit.expired():
            return False, f"the health check took longer than {HEALTH_CHECK_SECONDS:g} s"
        return False, f"the health check failed: {type(error).__name__}: {error}"
