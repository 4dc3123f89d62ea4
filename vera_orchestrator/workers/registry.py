"""The workers of one orchestrator."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.errors import NotFound
from vera_orchestrator.models import utcnow
from vera_orchestrator.workers.base import BaseWorker

ENTRY_POINT_GROUP = "vera_orchestrator.workers"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
logger = logging.getLogger(__name__)


class WorkerRegistry:
    """Knows the workers by id and tells its listeners when that changes.

    Registering a second worker under an id replaces and stops the first. Methods are for the event loop that the
    orchestrator runs on; the readers are synchronous. A worker that takes longer than `start_seconds` to start or
    `stop_seconds` to stop is broken off.
    """

    def __init__(self, *, start_seconds: float = START_SECONDS, stop_seconds: float = STOP_SECONDS) -> None:
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._workers: dict[str, BaseWorker] = {}
        self._listeners: list[Callable[[], None]] = []
        self._watchers: list[Callable[[str], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)

    def on_worker(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher` with the id of each worker that comes, goes, or changes its status or the reason for it."""
        self._watchers.append(watcher)

    def add(self, worker: BaseWorker) -> None:
        """Add a worker that is not started; the orchestrator's start does that."""
        self._keep(worker)
        self.changed()

    async def register(self, worker: BaseWorker) -> bool:
        """Add a worker, starting it if it is offline; return whether it can be used now."""
        if worker.status is WorkerStatus.OFFLINE:
            await self.start_worker(worker)
        earlier = self._workers.get(worker.worker_id)
        self._keep(worker)
        if earlier is not None and earlier is not worker:
            worker.metrics, worker.is_drained = earlier.metrics, earlier.is_drained
            await self.stop_worker(earlier)
        self.changed()
        return worker.is_usable

    async def unregister(self, worker_id: str) -> bool:
        """Stop and forget a worker; return whether there was one. Its running tasks end first or are retried."""
        worker = self._workers.pop(worker_id, None)
        if worker is None:
            return False
        self.changed()
        self._news(worker)
        await self.stop_worker(worker)
        return True

    def drain(self, worker_id: str) -> BaseWorker:
        """Send a worker nothing new until it is resumed; what it runs goes on. Raises NotFound."""
        worker = self.require(worker_id)
        worker.is_drained = True
        self.changed()
        return worker

    async def resume(self, worker_id: str) -> BaseWorker:
        """Send a drained worker tasks again, starting it if it cannot be used. Raises NotFound."""
        worker = self.require(worker_id)
        if worker.is_drained:
            worker.is_drained = False
            if not worker.is_usable:
                await self.start_worker(worker)
            self.changed()
        return worker

    def _keep(self, worker: BaseWorker) -> None:
        self._workers[worker.worker_id] = worker
        worker.on_news = self._news
        self._news(worker)

    def _news(self, worker: BaseWorker) -> None:
        for watcher in self._watchers:
            watcher(worker.worker_id)

    async def start_worker(self, worker: BaseWorker) -> None:
        """Start a worker; a failure becomes its status, with the reason, and is tried again by the health checks."""
        worker.status = WorkerStatus.STARTING
        limit = asyncio.timeout(self._start_seconds)
        try:
            async with limit:
                started = await worker.start()
        except asyncio.CancelledError:  # else it would count as starting for ever
            worker.status, worker.status_reason = WorkerStatus.ERROR, "its start was broken off"
            raise
        except Exception as error:  # a worker of somebody else's may raise anything; it must not stop the others
            reason = f"{type(error).__name__}: {error}"
            if limit.expired():
                reason = f"start() took longer than {self._start_seconds:g} s"
            logger.warning("worker %s did not start: %s", worker.worker_id, reason)
            started, worker.status_reason = False, reason
        if started and worker.status is WorkerStatus.STARTING:
            worker.status = WorkerStatus.IDLE
        elif not started and worker.status in (WorkerStatus.STARTING, WorkerStatus.IDLE):
            worker.status = WorkerStatus.ERROR
            worker.status_reason = worker.status_reason or "start() returned False"
        if started:
            worker.status_reason = None

    async def stop_worker(self, worker: BaseWorker) -> None:
        """Stop a worker and leave it registered."""
        limit = asyncio.timeout(self._stop_seconds)
        try:
            async with limit:
                await worker.stop()
        except Exception:  # see start_worker
            if limit.expired():
                logger.warning("worker %s took longer than %g s to stop", worker.worker_id, self._stop_seconds)
            else:
                logger.exception("worker %s did not stop cleanly", worker.worker_id)
        worker.status = WorkerStatus.OFFLINE

    def get_worker(self, worker_id: str) -> BaseWorker | None:
        """Return a worker, or None."""
        return self._workers.get(worker_id)

    def require(self, worker_id: str) -> BaseWorker:
        """Return a worker; raises NotFound."""
        try:
            return self._workers[worker_id]
        except KeyError:
            known = ", ".join(sorted(self._workers)) or "none"
            raise NotFound(f"no worker {worker_id!r}.", field="worker_id", remedy=f"There are: {known}.") from None

    def get_all_workers(self) -> list[BaseWorker]:
        """Return all workers."""
        return list(self._workers.values())

    def get_statistics(self) -> dict[str, Any]:
        """Return counts over all workers."""
        workers = self._workers.values()
        return {
            "total_workers": len(workers),
            "workers_by_status": dict(Counter(str(worker.status) for worker in workers)),
            "workers_by_capability": dict(Counter(name for worker in workers for name in sorted(worker.capabilities))),
            "total_tasks_running": sum(worker.running for worker in workers),
            "total_tasks_completed": sum(worker.metrics.tasks_completed for worker in workers),
            "total_tasks_failed": sum(worker.metrics.tasks_failed for worker in workers),
            "timestamp": utcnow().isoformat(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "workers": [worker.to_dict() for worker in self._workers.values()],
            "statistics": self.get_statistics(),
        }

    def changed(self) -> None:
        """Tell the listeners that workers came, went or changed their status."""
        for listener in self._listeners:
            listener()


def installed_worker_kinds() -> dict[str, Callable[..., BaseWorker]]:
    """Return the factories that other packages offer under the entry point group `vera_orchestrator.workers`.

    A factory takes the settings and returns a worker. One that cannot be loaded is logged and left out.
    """
    kinds: dict[str, Callable[..., BaseWorker]] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        factory = _load(point)
        if factory is not None:
            kinds[point.name] = factory
    return kinds


def _load(point: EntryPoint) -> Callable[..., BaseWorker] | None:
    try:
        return point.load()
    except Exception as error:  # whatever the other package's import raises
        logger.warning("worker kind %s of %s cannot be loaded: %s", point.name, point.value, error)
        return None
