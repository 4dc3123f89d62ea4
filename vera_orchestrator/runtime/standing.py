"""How an orchestrator stands, for those who ask it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.journal.records import Backlog
from vera_orchestrator.models import Hook, Task
from vera_orchestrator.runtime.lifecycle import Lifecycle
from vera_orchestrator.runtime.status import metrics_of, queues_of, recording_of
from vera_orchestrator.windows import SECOND, day_of, zone_named


class Standing(Lifecycle):
    """What can be seen of an orchestrator, and whom it tells."""

    @property
    def on_task_complete(self) -> Hook | None:
        """Called as `on_task_complete(task, result)` after a task has succeeded; sync or async."""
        return self._given.hooks.on_task_complete

    @on_task_complete.setter
    def on_task_complete(self, hook: Hook | None) -> None:
        self._given.hooks.on_task_complete = hook

    @property
    def on_task_failed(self) -> Hook | None:
        """Called as `on_task_failed(task, error)` after a task has failed or was cancelled; sync or async."""
        return self._given.hooks.on_task_failed

    @on_task_failed.setter
    def on_task_failed(self, hook: Hook | None) -> None:
        self._given.hooks.on_task_failed = hook

    @property
    def metrics(self) -> dict[str, Any]:
        """Counts since `start`."""
        return metrics_of(self._parts, self._started_at)

    def is_here(self, task_id: str) -> bool:
        """Return whether this process is in charge of a task that has not ended."""
        return self._parts.live.find(task_id) is not None

    def standing(self, task: Task) -> tuple[TaskStatus, str | None]:
        """Return a living task's status and the reason for it: what a task waits for may be what others wait for."""
        entry = self._parts.live.find(task.id)
        if entry is None or entry.task is not task or entry.final:
            return task.status, task.status_reason
        return self._parts.dispatcher.explain(entry)

    def running_tasks(self) -> list[Task]:
        """Return the tasks that run now."""
        return [entry.task for entry in self._parts.dispatcher.active if not entry.is_coming]

    def spent_today(self, scopes: Collection[str]) -> Mapping[str, Total]:
        """Return what was used today of scopes of the ledger, such as `provider:openai`; blocks for a moment.

        The day is that of the settings' `llm_time_zone`. Raises JournalUnavailable.
        """
        midnight, _ = day_of(round(time.time() * SECOND), zone_named(self.config.llm_time_zone))
        return self._given.journal.ledger.totals_now(scopes, midnight)

    def get_queues(self) -> dict[str, Any]:
        """Return, by priority, how many tasks wait for a worker and how long the oldest of them has."""
        return queues_of(self._parts, time.time())

    @property
    def journal_backlog(self) -> Backlog:
        """What the journal has not written yet."""
        return self._given.journal.backlog

    @property
    def started_at(self) -> float | None:
        """When it was started, in seconds since the epoch."""
        return self._started_at

    def get_status(self) -> dict[str, Any]:
        """Return the wire form of how the orchestrator stands."""
        return {
            "is_running": self.is_running,
            "is_draining": self.is_draining,
            "uptime_seconds": time.time() - self._started_at if self.is_running and self._started_at else 0.0,
            "metrics": self.metrics,
            "queues": self.get_queues(),
            "workers": self.worker_registry.get_statistics(),
            "prefect": recording_of(self.engine.status),
        }
