"""Schedule, admit and route: the loop that is woken by events and never ticks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.runtime.blocking import BlockedGroups
from vera_orchestrator.runtime.capacity import Capacity, Seat, Wait
from vera_orchestrator.runtime.entry import Entry, Group
from vera_orchestrator.runtime.events import Events, TaskEventKind
from vera_orchestrator.runtime.execution import Executions, WaitingRoom
from vera_orchestrator.runtime.judgement import End
from vera_orchestrator.scheduling import ReadyQueue
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tally import Waiting
from vera_orchestrator.workers.metered import MeteredWorker

LAUNCHES_PER_ROUND = 200
GROUPS_REMEMBERED = 10_000
SCARCE_SECONDS = 5.0
"""After a limit had no room, how long tasks are asked about one after the other, those of a similar size together."""
logger = logging.getLogger(__name__)


class Dispatcher:
    """Holds the waiting tasks and starts those that can go.

    `executions` makes what runs them, given this as its waiting room; `no_worker` is called with an entry that nothing
    here can run, `weight_of` tells how many turns a fairness key takes where others take one. `active`, `unsettled` and
    `end_soon` are those of the executions.
    """

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        capacity: Capacity,
        executions: Callable[[WaitingRoom], Executions],
        no_worker: Callable[[Entry, Wait], None],
        weight_of: Callable[[str | None], float],
        events: Events,
    ) -> None:
        self._settings = settings
        self._capacity = capacity
        self._no_worker = no_worker
        self._events = events
        self._queue: ReadyQueue[Entry] = ReadyQueue(settings.age_step_seconds, weight_of)
        self._blocked = BlockedGroups(self._queue, self.wake)
        self._unreachable_since: dict[Group, float] = {}
        self._scarce: dict[Group, float] = {}  # where a limit had no room, and until when that is remembered
        self._asking: dict[Group, Entry] = {}
        self._woken = False
        self._held = True
        self._executions = executions(self)
        self.active = self._executions.active
        self.unsettled = self._executions.unsettled
        self.end_soon = self._executions.end_soon

    @property
    def waiting(self) -> int:
        """How many tasks are ready and wait for a worker."""
        return len(self._queue)

    def by_priority(self, now: float) -> Mapping[int, Waiting]:
        """Return how many tasks of each priority are ready and wait, and since when the oldest does."""
        return self._queue.by_priority(now)

    def hold(self) -> None:
        """Start nothing from now on."""
        self._held = True

    def resume(self) -> None:
        """Start tasks again."""
        self._held = False
        self.wake()

    def enqueue(self, entry: Entry) -> None:
        """Let a task wait for its turn."""
        if entry.final or entry.queued or entry.cancelled_by is not None:  # who cancels it sees to its end
            return
        if entry in self.active:  # it was started ahead
            return
        entry.queued = True
        entry.task.status = TaskStatus.QUEUED
        self._push(entry)
        self._events.task(TaskEventKind.WAITING, entry.task)
        self.wake()

    def start_ahead(self, entry: Entry) -> None:
        """Reserve what a task may use while it is being committed, if nothing waits and a metered worker is free.

        `entry.accepted` is there then, and the task begins once that says so. Else it waits for its turn, when it is
        committed.
        """
        now = time.monotonic()
        is_free = self._executions.slots_used < self._settings.max_concurrent_tasks
        if self._held or self._queue or not is_free or entry.group in self._asking:
            return
        if now < self._scarce.get(entry.group, 0.0) or self._capacity.slots(entry.group):
            return
        if not any(isinstance(seat.worker, MeteredWorker) for seat in self._capacity.fitting(entry.group, now)):
            return
        try:
            admitted = self._capacity.admit(entry, now)
        except Exception:  # a router or worker of somebody else's; at the task's turn it is reported
            return
        if not isinstance(admitted, Seat) or not isinstance(admitted.worker, MeteredWorker):
            return
        entry.accepted = asyncio.get_running_loop().create_future()
        entry.task.status = TaskStatus.QUEUED
        self._begin(entry, admitted, now)

    def withdraw(self, entry: Entry) -> None:
        """Take a task out of the queue."""
        if entry.queued:
            entry.queued = False
            self._queue.remove(entry)

    def explain(self, entry: Entry) -> tuple[TaskStatus, str | None]:
        """Return a waiting task's status and what it waits for."""
        wait = self._blocked.get(entry.group) if entry.queued else None
        limit = self._settings.max_concurrent_tasks
        if wait is None and entry.queued and self._executions.slots_used >= limit:
            return TaskStatus.WAITING_RESOURCES, f"the limit max_concurrent_tasks of {limit} is reached"
        if wait is not None:
            return wait.status, wait.reason
        return entry.task.status, entry.task.status_reason

    def wake(self) -> None:
        """Look at the queue soon."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._round)

    def workers_changed(self) -> None:
        """Workers came, went or changed their status: look at every group again."""
        self._blocked.clear()

    def freed(self, *tokens: str) -> None:
        """Look at the tasks that wait for what is free now."""
        self._blocked.event(*tokens)

    def _push(self, entry: Entry) -> None:
        task = entry.task
        self._queue.push(
            entry,
            family=entry.group.family,
            group=entry.group,
            priority=int(task.priority),
            fairness_key=task.fairness_key,
            entered=entry.entered,
        )

    def _round(self) -> None:
        self._woken = False
        now, wall = time.monotonic(), time.time()
        for _ in range(LAUNCHES_PER_ROUND):
            if self._held or self._executions.slots_used >= self._settings.max_concurrent_tasks:
                return
            entry = self._queue.peek(wall)
            if entry is None:
                return
            try:
                self._try(entry, now)
            except Exception as problem:  # a router or worker of somebody else's; it must not stop the others
                logger.exception("task %s could not be started", entry.task.id)
                self._executions.give_up(entry, problem)
        self.wake()

    def _try(self, entry: Entry, now: float) -> None:
        """Start the first task of the queue, or find out what it waits for."""
        if entry.cancelled_by is not None:  # and not ended yet, as there are many
            self.withdraw(entry)
            return
        if now < self._scarce.get(entry.group, 0.0) and entry.group.apart is None:
            self._regroup(entry, entry.apart_by_size())
            return
        asking = self._asking.get(entry.group)
        if asking is not None:
            self.block(entry, _after(asking, entry.group), until=None)
            return
        admitted = self._capacity.admit(entry, now)
        if isinstance(admitted, Seat):
            self._queue.serve(entry)
            entry.queued = False
            self._begin(entry, admitted, now)
        else:
            self._wait(entry, admitted, now)

    def _begin(self, entry: Entry, seat: Seat, now: float) -> None:
        self._unreachable_since.pop(entry.group, None)
        if entry.group.apart is not None and isinstance(seat.worker, MeteredWorker):
            self._asking[entry.group] = entry
        self._executions.start(entry, seat, now)

    def answered(self, entry: Entry) -> None:
        """Let the next of its group ask, now that this one knows whether it can go."""
        if self._asking.get(entry.group) is entry:
            del self._asking[entry.group]
            self._blocked.event(_token(entry))

    def refused(self, entry: Entry) -> None:
        """Look for another worker for a task that one has refused; else those like it wait too."""
        now = time.monotonic()
        if entry.group.apart is None or entry.group.apart[0] == "size":
            if len(self._scarce) > GROUPS_REMEMBERED:
                self._scarce.clear()
            self._scarce[entry.group._replace(apart=None)] = now + SCARCE_SECONDS
            entry.group = entry.apart_by_size()
        if self._held or entry.group in self._asking:
            self.enqueue(entry)
            return
        admitted = self._capacity.admit(entry, now)
        if isinstance(admitted, Seat):
            self._begin(entry, admitted, now)
        else:
            self._wait(entry, admitted, now)

    def _regroup(self, entry: Entry, group: Group) -> None:
        self.withdraw(entry)
        entry.group = group
        entry.queued = True
        self._push(entry)

    def _wait(self, entry: Entry, wait: Wait, now: float) -> None:
        if wait.nothing_fits:
            self.withdraw(entry)
            self._no_worker(entry, wait)
            return
        if wait.is_final and wait.error is not None:
            self.end_soon(entry, End(status=TaskStatus.FAILED, error=wait.error))
            return
        if wait.group != entry.group:
            self._regroup(entry, wait.group)
            return
        if wait.unreachable:
            since = self._unreachable_since.setdefault(entry.group, now)
            deadline = max(since, now - (time.time() - entry.entered)) + self._settings.unavailable_wait_seconds
            if now >= deadline:
                self._unreachable_since.pop(entry.group, None)
                self.withdraw(entry)
                self._no_worker(entry, wait)
                return
            self.block(entry, wait, until=deadline)
            return
        self._unreachable_since.pop(entry.group, None)
        self.block(entry, wait, until=wait.until)

    def block(self, entry: Entry, wait: Wait, *, until: float | None) -> None:
        """Set a task's whole group, or family, aside until one of the wait's tokens comes, or the time."""
        entry.task.status, entry.task.status_reason = wait.status, wait.reason
        if not entry.queued:
            entry.queued = True
            self._push(entry)
        self._blocked.block(entry.group, wait, until=until)
        self._events.task(TaskEventKind.WAITING, entry.task)


def _token(entry: Entry) -> str:
    return f"answer:{entry.key}"


def _after(asking: Entry, group: Group) -> Wait:
    """Return the wait for the answer that another task of the group gets."""
    return Wait(
        group=group,
        status=TaskStatus.RATE_LIMITED,
        reason=f"task {asking.task.id} of a similar size is before it",
        tokens=frozenset({_token(asking)}),
    )
