"""Tasks that have changed since readers were told last."""

from __future__ import annotations

from typing import NamedTuple

from api.live.briefs import about
from api.live.changes import About
from BackgroundCognition.orchestrator import Task
from vera_orchestrator.runtime.events import TaskEvent, TaskEventKind

MOST_TASKS = 5_000
WAITING = frozenset({TaskEventKind.ACCEPTED, TaskEventKind.WAITING})


class Changed(NamedTuple):
    """A task that has changed, and how far it is."""

    task: Task
    fraction: float | None


class PendingTasks:
    """Each task once, however often it changes; those that run or have ended before those that only wait.

    Of either kind the newest are kept where they become too many, and the others go to `lost`.
    """

    def __init__(self, most: int = MOST_TASKS) -> None:
        self._most = most
        self._waiting: dict[str, Changed] = {}
        self._moving: dict[str, Changed] = {}
        self._fractions: dict[str, float] = {}
        self.lost: list[About] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._moving)

    def add(self, event: TaskEvent) -> None:
        """Note what has happened to a task."""
        task = event.task
        if event.kind in WAITING:
            self._keep(self._moving if task.id in self._moving else self._waiting, Changed(task, None))
            return
        if event.kind is TaskEventKind.PROGRESS and event.fraction is not None:
            self._fractions[task.id] = event.fraction
            if len(self._fractions) > self._most:  # of what another process took over no end is told
                del self._fractions[next(iter(self._fractions))]
        else:
            self._fractions.pop(task.id, None)
        self._waiting.pop(task.id, None)
        self._keep(self._moving, Changed(task, event.fraction))

    def _keep(self, where: dict[str, Changed], changed: Changed) -> None:
        where[changed.task.id] = changed
        if len(where) > self._most:
            self.lost.append(about(where.pop(next(iter(where))).task))

    def take(self, count: int) -> list[Changed]:
        """Take out some tasks, those that have waited longest to be told."""
        taken: list[Changed] = []
        for where in (self._moving, self._waiting):
            for key in list(where)[: count - len(taken)]:
                changed = where.pop(key)
                taken.append(Changed(changed.task, self._fractions.get(key)))
        return taken
