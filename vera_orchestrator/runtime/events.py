"""What happens to tasks, workers and money, for whoever wants to be told."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from vera_orchestrator.models import Hook, Task
from vera_orchestrator.usage import Usage

logger = logging.getLogger(__name__)


class TaskEventKind(StrEnum):
    """What has happened to a task.

    ACCEPTED: this process is in charge of it now, be it new or somebody's before. WAITING: it waits, and its status
    says for what. STARTED: an attempt begins. PROGRESS: a part of it is done. RETRYING: an attempt has failed and
    another follows. ENDED: its end is committed, and `result` is there.
    """

    ACCEPTED = "accepted"
    WAITING = "waiting"
    STARTED = "started"
    PROGRESS = "progress"
    RETRYING = "retrying"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEvent:
    """Something has happened to a task.

    `task` is the living one, read it at once. `worker_id` is that of the attempt, `fraction` (0 to 1) comes with
    PROGRESS, and `elsewhere` marks the end of a task that another process ran and somebody here waits for.
    """

    kind: TaskEventKind
    task: Task
    worker_id: str | None = None
    fraction: float | None = None
    elsewhere: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerEvent:
    """A worker has come, gone, or changed its status or the reason for it."""

    worker_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SpendEvent:
    """An attempt on a metered worker is settled.

    `cost` is in USD, None where no price is known. `usage` holds the tokens by kind, None where nobody has reported
    them: then `tokens` are those that were reserved, and `is_estimate` is true, as it is where a cost is not final.
    """

    caller: str | None
    tags: tuple[str, ...]
    worker_id: str
    provider: str
    model: str
    requests: int
    tokens: int
    cost: Decimal | None
    usage: Usage | None
    is_estimate: bool


Event = TaskEvent | WorkerEvent | SpendEvent
Listener = Callable[[Event], None]


class Events:
    """Tells listeners of each event, on the event loop and in the order of what happens.

    A listener must be quick and must not call the orchestrator's coroutines; what it raises is logged. Where nobody
    listens, nothing is made.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._of_progress: tuple[Listener, ...] = ()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody is told."""
        return bool(self._listeners)

    @property
    def wants_progress(self) -> bool:
        """Whether anybody is told how far attempts are."""
        return bool(self._of_progress)

    def subscribe(self, listener: Listener, *, progress: bool = True) -> Callable[[], None]:
        """Tell `listener` of what happens from now on; call what is returned to end that.

        Without `progress` it is not told how far attempts are, which nobody has to find out then.
        """
        self._listeners = (*self._listeners, listener)
        if progress:
            self._of_progress = (*self._of_progress, listener)

        def unsubscribe() -> None:
            self._listeners = _without(self._listeners, listener)
            if progress:
                self._of_progress = _without(self._of_progress, listener)

        return unsubscribe

    def task(self, kind: TaskEventKind, task: Task, worker_id: str | None = None, *, elsewhere: bool = False) -> None:
        """Tell of a task."""
        if self._listeners:
            self._tell(TaskEvent(kind=kind, task=task, worker_id=worker_id, elsewhere=elsewhere))

    def progress(self, task: Task, worker_id: str, fraction: float) -> None:
        """Tell how far an attempt is."""
        if self._of_progress:
            part = min(1.0, max(0.0, fraction))
            event = TaskEvent(kind=TaskEventKind.PROGRESS, task=task, worker_id=worker_id, fraction=part)
            self._tell(event, self._of_progress)

    def worker(self, worker_id: str) -> None:
        """Tell of a worker."""
        if self._listeners:
            self._tell(WorkerEvent(worker_id=worker_id))

    def spent(self, event: SpendEvent) -> None:
        """Tell of what was used."""
        self._tell(event)

    def _tell(self, event: Event, listeners: Sequence[Listener] | None = None) -> None:
        for listener in self._listeners if listeners is None else listeners:
            try:
                listener(event)
            except Exception:  # a listener must not stop what it watches
                logger.exception("a listener failed at %s", type(event).__name__)


def _without(listeners: Sequence[Listener], listener: Listener) -> tuple[Listener, ...]:
    left = list(listeners)
    if listener in left:
        left.remove(listener)
    return tuple(left)


def telling(events: Events, task: Task, worker_id: str, hook: Hook | None) -> Hook:
    """Return an `on_progress` that tells of it and then calls the task's own; it may be called from any thread."""
    loop, home = asyncio.get_running_loop(), threading.get_ident()

    def told(fraction: object) -> object:
        if isinstance(fraction, int | float):
            if threading.get_ident() == home:
                events.progress(task, worker_id, fraction)
            else:
                loop.call_soon_threadsafe(events.progress, task, worker_id, fraction)
        return hook(fraction) if hook is not None else None

    return told
