"""A task while this process is in charge of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vera_orchestrator.errors import VeraError
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.routing import needed_capabilities


class Group(NamedTuple):
    """Everything that decides whether waiting tasks can be admitted: those of one group stand or fall together.

    `accepted_by` is set where not all workers with the capabilities accept the task: the generation of the workers when
    that was found out, and those that do.
    """

    type: str
    capabilities: frozenset[str]
    pinned: str | None
    concurrency_key: str | None
    accepted_by: tuple[int, frozenset[str]] | None = None

    @property
    def family(self) -> Group:
        """The group without the concurrency key: all that need the same workers and are of the same type."""
        return self if self.concurrency_key is None else self._replace(concurrency_key=None)


class Upstream(NamedTuple):
    """Something that a task waits for: a row, whether it must succeed, and the id under which the task names it.

    The id is empty where only the order matters.
    """

    key: int
    needs_success: bool
    id: str = ""


@dataclass(eq=False, slots=True, kw_only=True)
class Entry:
    """One unfinished task of this owner.

    `payload` is the template, `after` what it waits for. `entered` is when it began to wait, in seconds since the
    epoch; `adopted_at`, on the steady clock, is set if it was taken over from another owner.
    `considered` is the routing's explanation, `held` names the limits it has a slot of; `queued` says whether it
    is in the ready queue and `unreached_since` since when its worker could not be reached.
    """

    key: int
    fence: int
    owner: int
    task: Task
    group: Group
    payload: dict[str, Any]
    entered: float
    batch: int | None = None
    after: Sequence[Upstream] = ()
    adopted_at: float | None = None
    failed_on: str | None = None
    considered: dict[str, str] = field(default_factory=dict[str, str])
    held: list[str] = field(default_factory=list[str])
    execution: asyncio.Task[Any] | None = None
    cancelled_by: VeraError | None = None
    waiters: list[asyncio.Future[TaskResult]] = field(default_factory=list[asyncio.Future[TaskResult]])
    delay: asyncio.TimerHandle | None = None
    expiry: asyncio.TimerHandle | None = None
    queued: bool = False
    unreached_since: float | None = None
    expired: bool = False
    final: bool = False

    def forget_timers(self) -> None:
        """Cancel what would happen later."""
        for timer in (self.delay, self.expiry):
            if timer is not None:
                timer.cancel()
        self.delay = self.expiry = None


def group_of(task: Task) -> Group:
    """Return the group of a task."""
    return Group(str(task.type), needed_capabilities(task), task.requirements.worker_id, task.concurrency_key)


def run_name(task: Task) -> str:
    """Return what a task's run is called: its `name` in the metadata, else type and id."""
    name = task.metadata.get("name")
    return str(name) if name else f"{task.type} {task.id[:8] if len(task.id) == 36 else task.id}"
