"""Tasks that have changed since readers were told last."""

from __future__ import annotations

from typing import NamedTuple

from api.live.briefs import about
from api.live.changes import About
from BackgroundCognition.orchestrator import Task
from vera_orchestrator.runtime.events import TaskEvent, TaskEventKind

MOST_TASKS = 5_000
WAITING = frozenset({TaskEventKind.ACCEPTED, TaskEventKind.WAITING})
RUNNING = frozenset({TaskEventKind.STARTED, TaskEventKind.PROGRESS})


class Changed(NamedTuple):
    """A task that has changed, how far it is, and the worker that it runs on."""

    task: Task
    fraction: float | None
    worker_id: str | None


class PendingTasks:
    """Each task once, however often it changes; those that run or have ended before those that only wait.

    Of either kind the newest are kept where they become too many, and the others go to `lost`.
    """

    def __init__(self, most: int = MOST_TASKS) -> None:
        self._most = most
        self._waiting: dict[str, Changed] = {}
        self._moving: dict[str, Changed] = {}
        self._running: dict[str, tuple[str | None, float | None]] = {}
        self.lost: list[About] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._moving)

    def add(self, event: TaskEvent) -> None:
        """Note what has happened to a task."""
        task = event.task
        if event.kind in WAITING:
            self._keep(self._moving if task.id in self._moving else self._waiting, Changed(task, None, None))
            return
        if event.kind in RUNNING:
            self._running[task.id] = (event.worker_id, event.fraction)
            if len(self._running) > self._most:  # of what another process took over no end is told
                del self._running[next(iter(self._running))]
        else:
            self._running.pop(task.id, None)
        self._waiting.pop(task.id, None)
        self._keep(self._moving, Changed(task, event.fraction, event.worker_id))

    def _keep(self, where: dict[str, Changed], changed: Changed) -> None:
        where[changed.task.id] = changed
        if len(where) > self._most:
            self.lost.append(about(where.pop(next(iter(where))).task))

    def take(self, count: int) -> list[Changed]:
        """Take out some tasks, those that have waited longest to be told."""
        taken: list[Changed] = []
        for where in (self._moving, self._waiting):
            for key in list(where)[: count - len(taken)]:
                taken.append(self._with_progress(where.pop(key)))
        return taken

    def _with_progress(self, changed: Changed) -> Changed:
        worker_id, fraction = self._running.get(changed.task.id, (changed.worker_id, changed.fraction))
        return Changed(changed.task, fraction, worker_id)
