"""What every kind of worker is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.models import Task, TaskResult, WorkerConfig, WorkerMetrics, capability_names
from vera_orchestrator.routing import Offer

USABLE = frozenset({WorkerStatus.IDLE, WorkerStatus.BUSY})
DRAINED = "it is drained, and ends what it runs"
REACHABLE = USABLE | {WorkerStatus.STARTING, WorkerStatus.OVERLOADED, WorkerStatus.MAINTENANCE}


class BaseWorker(ABC):
    """Runs tasks.

    A subclass says in `capabilities` what it can do and in `config` how many tasks it takes at a time, sets `status` to
    IDLE in `start`, and runs one attempt in `execute_task`. Everything else (waiting, timeouts, retries, recording) is
    the orchestrator's. An exception, or a result with `success=False`, is a failed attempt; set the result's
    `retryable=False`, or raise one of `vera_orchestrator.errors`, where another attempt makes no sense.

    `running` is the number of tasks it runs now and `status_reason` says why it is not usable; the orchestrator keeps
    the first, the worker the second. `on_news` is called when the status or its reason changes. A drained worker is in
    maintenance, whatever happens to it, until it is resumed. Where `occupies_slot`
    is False, its tasks do not count against the orchestrator's `max_concurrent_tasks`: they only wait for other tasks.
    """

    occupies_slot: ClassVar[bool] = True

    def __init__(
        self,
        worker_id: str,
        capabilities: Iterable[WorkerCapability | str],
        config: WorkerConfig | None = None,
    ) -> None:
        self.worker_id = worker_id
        self.capabilities = capability_names(capabilities)
        self.config = config or WorkerConfig()
        self.on_news: Callable[[BaseWorker], None] | None = None
        self._status = WorkerStatus.OFFLINE
        self._status_reason: str | None = None
        self._is_drained = False
        self.metrics = WorkerMetrics()
        self.running = 0
        self._created = time.monotonic()

    @property
    def status(self) -> WorkerStatus:
        """What it is doing."""
        return WorkerStatus.MAINTENANCE if self._is_drained else self._status

    @status.setter
    def status(self, status: WorkerStatus) -> None:
        is_news, self._status = status is not self._status and not self._is_drained, status
        if is_news and self.on_news is not None:
            self.on_news(self)

    @property
    def status_reason(self) -> str | None:
        """Why it is not usable."""
        return DRAINED if self._is_drained else self._status_reason

    @status_reason.setter
    def status_reason(self, reason: str | None) -> None:
        is_news, self._status_reason = reason != self._status_reason and not self._is_drained, reason
        if is_news and self.on_news is not None:
            self.on_news(self)

    @property
    def is_drained(self) -> bool:
        """Whether it gets nothing new, because somebody has asked for that."""
        return self._is_drained

    @is_drained.setter
    def is_drained(self, is_drained: bool) -> None:
        is_news, self._is_drained = is_drained is not self._is_drained, is_drained
        if not is_drained and self._status is WorkerStatus.BUSY and self.running < self.config.max_concurrent_tasks:
            self._status = WorkerStatus.IDLE
        if is_news and self.on_news is not None:
            self.on_news(self)

    @abstractmethod
    async def start(self) -> bool:
        """Make ready and set `status`; return whether the worker can be used."""

    @abstractmethod
    async def stop(self) -> bool:
        """Let go of everything; return whether that worked."""

    @abstractmethod
    async def execute_task(self, task: Task) -> TaskResult:
        """Run one attempt. Cancellation must end it and leave nothing running."""

    @abstractmethod
    async def health_check(self) -> bool:
        """Return whether the worker could run a task now; must cost nothing."""

    def accepts(self, task: Task) -> bool:
        """Return whether this worker takes this task, beyond its capabilities; pure and fast."""
        del task
        return True

    def expected_cost(self, task: Task) -> float:
        """Return what this task would cost here, in USD."""
        del task
        return 0.0

    def offers(self, task: Task) -> Sequence[Offer]:
        """Return the ways in which this worker can run a task that it accepts; pure and fast."""
        return (Offer(expected_cost=self.expected_cost(task)),)

    @property
    def is_usable(self) -> bool:
        """Whether tasks may be sent to it."""
        return self.status in USABLE

    @property
    def load(self) -> float:
        """The share of its slots in use, 0 to 1."""
        return self.running / self.config.max_concurrent_tasks

    def record(self, *, success: bool, execution_time_ms: float) -> None:
        """Count one attempt."""
        metrics = self.metrics
        if success:
            metrics.tasks_completed += 1
        else:
            metrics.tasks_failed += 1
        done = metrics.tasks_completed + metrics.tasks_failed
        metrics.avg_execution_time_ms += (execution_time_ms - metrics.avg_execution_time_ms) / done

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        metrics = self.metrics
        return {
            "id": self.worker_id,
            "status": str(self.status),
            "status_reason": self.status_reason,
            "capabilities": sorted(self.capabilities),
            "current_tasks": self.running,
            "max_concurrent_tasks": self.config.max_concurrent_tasks,
            "load": self.load,
            "metrics": {
                "tasks_completed": metrics.tasks_completed,
                "tasks_failed": metrics.tasks_failed,
                "avg_execution_time_ms": metrics.avg_execution_time_ms,
                "cpu_usage_percent": metrics.cpu_usage_percent,
                "memory_usage_mb": metrics.memory_usage_mb,
                "uptime_seconds": time.monotonic() - self._created,
            },
            "config": {
                "max_concurrent_tasks": self.config.max_concurrent_tasks,
                "rate_limit_per_minute": self.config.rate_limit_per_minute,
                "timeout_seconds": self.config.timeout_seconds,
            },
        }
