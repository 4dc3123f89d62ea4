"""What follows for others when a task is accepted, ends, or cannot run here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from vera_orchestrator import tracing
from vera_orchestrator.engine.base import Engine, Label, Outcome
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import (
    JournalUnavailable,
    TaskCancelled,
    TaskFailed,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.batch_ends import BatchEnds
from vera_orchestrator.runtime.batches import Batches, BatchState
from vera_orchestrator.runtime.capacity import Wait
from vera_orchestrator.runtime.codec import to_seconds
from vera_orchestrator.runtime.dependencies import Dependencies
from vera_orchestrator.runtime.dispatcher import Dispatcher
from vera_orchestrator.runtime.endings import Endings
from vera_orchestrator.runtime.entry import Entry, run_name
from vera_orchestrator.runtime.events import Events, TaskEventKind
from vera_orchestrator.runtime.hooks import HookCaller
from vera_orchestrator.runtime.judgement import End
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.reasons import dependency_failed, expired, no_worker_error
from vera_orchestrator.runtime.telling import Telling
from vera_orchestrator.runtime.upstream import UpstreamResults
from vera_orchestrator.settings import OrchestratorConfig

UNKNOWN_SECONDS = 1.0
HANDED_OVER_AT_ONCE = 500
MOST_OWNERS = 40
"""The fence at which a task counts as one that nobody takes; it grows by two each time it changes hands."""
logger = logging.getLogger(__name__)


class Progress:
    """Keeps dependents, batches and waiters up to date. `attach` closes the circle with the dispatcher.

    `look_elsewhere` is called when somebody here begins to wait for a task that this process is not in charge of.
    """

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        journal: Journal,
        engine: Engine,
        live: LiveTasks,
        ownership: Ownership,
        events: Events,
        telling: Telling,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._engine = engine
        self._live = live
        self._ownership = ownership
        self._events = events
        self._dispatcher: Dispatcher | None = None
        self._endings: Endings | None = None
        self._dependencies = Dependencies()
        self._upstream = UpstreamResults(journal)
        self._background: set[asyncio.Task[Any]] = set()
        self._caller = HookCaller()
        self.batches = Batches()
        self.telling = telling
        self.look_elsewhere: Callable[[], None] = _ignore
        self._batch_ends = BatchEnds(
            journal=journal,
            engine=engine,
            batches=self.batches,
            live=live,
            look_elsewhere=lambda: self.look_elsewhere(),
            telling=telling,
        )
        self.completed = 0
        self.failed = 0
        self.execution_time_ms = 0.0

    def attach(self, dispatcher: Dispatcher) -> None:
        """Name the dispatcher that ready tasks go to."""
        self._dispatcher = dispatcher
        self._endings = Endings(self.end, dispatcher.unsettled)

    @property
    def dispatcher(self) -> Dispatcher:
        """The dispatcher that ready tasks go to."""
        assert self._dispatcher is not None
        return self._dispatcher

    def accept(self, entry: Entry, *, unmet: dict[int, bool], due_at: float | None = None) -> None:
        """Take charge of a committed task: it waits for `unmet`, then for `due_at`, then for its turn."""
        self._take_charge(entry)
        if self._limit_waiting(entry):
            self.end(entry, expired())
        elif unmet:
            if any(self._live.get(key) is None for key in unmet):
                self.look_elsewhere()
            self._dependencies.add(entry.key, unmet)
            entry.task.status_reason = f"waits for {len(unmet)} tasks"
            self._events.task(TaskEventKind.WAITING, entry.task)
        elif due_at is not None and due_at > time.time():
            entry.delay = asyncio.get_running_loop().call_later(due_at - time.time(), self._due, entry)
        else:
            self.dispatcher.enqueue(entry)
        if self._ownership.is_draining:
            self.spawn(self._pass_on(entry))

    async def _pass_on(self, entry: Entry) -> None:
        """Hand over a task that others shall run; one that cannot be given up now is found again."""
        try:
            if self._may_be_handed_over(entry):
                await self._give_up((entry,))
        except JournalUnavailable as error:
            logger.warning("task %s could not be handed over: %s", entry.task.id, error)

    def accept_ended(self, entry: Entry, error: VeraError) -> None:
        """Take charge of a committed task only to end it."""
        self._take_charge(entry)
        self._end_all((entry,), error)

    def _take_charge(self, entry: Entry) -> None:
        self._live.add(entry)
        entry.span = tracing.task_span(entry.task)
        self._upstream.wanted_by(entry)
        self._events.task(TaskEventKind.ACCEPTED, entry.task)

    def _due(self, entry: Entry) -> None:
        entry.delay = None
        self.dispatcher.enqueue(entry)

    def _limit_waiting(self, entry: Entry) -> bool:
        """Return whether the task has waited for too long already, else see to it that it does not."""
        task = entry.task
        ends: list[float] = []
        if task.max_wait_seconds is not None:
            ends.append(entry.entered + task.max_wait_seconds)
        if task.expires_at is not None:
            ends.append(to_seconds(task.expires_at))
        if not ends:
            return False
        delay = min(ends) - time.time()
        if delay > 0:
            entry.expiry = asyncio.get_running_loop().call_later(delay, self._expire, entry)
        return delay <= 0

    def _expire(self, entry: Entry) -> None:
        error = expired()
        if entry in self.dispatcher.active:
            entry.expired = True  # the attempt goes on; there will be no further one
        elif not _is_ending(entry):
            self.end(entry, error)

    def end(self, entry: Entry, error: VeraError) -> asyncio.Task[None]:
        """End a task that does not run."""
        self._dependencies.drop(entry.key)
        return self.dispatcher.end_soon(entry, End(status=error.task_status, error=error, exhausted=error.retryable))

    def _end_all(self, entries: Iterable[Entry], error: VeraError) -> None:
        """End tasks that do not run: none of them starts from now on; see Endings."""
        assert self._endings is not None
        ending: list[Entry] = []
        for entry in entries:
            entry.cancelled_by = error
            ending.append(entry)
        self._endings.add(ending)

    def cancel(self, entry: Entry, reason: str) -> bool:
        """Cancel a task, running or not; False if it has just ended."""
        return self.cancel_all((entry,), reason) == 1

    def cancel_all(self, entries: Iterable[Entry], reason: str) -> int:
        """Cancel tasks, running or not; return how many had not ended. None of them starts after this."""
        error = TaskCancelled(reason)
        count = 0
        waiting: list[Entry] = []
        for entry in entries:
            if entry.final:
                continue
            count += 1
            if isinstance(entry.cancelled_by, TaskCancelled):  # asked before: let the worker clean up in peace
                continue
            entry.cancelled_by = error
            if entry.execution is not None:
                entry.execution.cancel()
            elif entry not in self.dispatcher.active:
                waiting.append(entry)
        waiting.reverse()  # those that wait for others mostly come later, and end sooner so
        self._end_all(waiting, error)
        return count

    async def upstream(self, entry: Entry) -> dict[str, Any]:
        """Return the data of a task's dependencies by the id under which it names them."""
        return await self._upstream.of(entry)

    def ended(self, entry: Entry) -> None:
        """Do what follows from a committed end."""
        task = entry.task
        assert task.result is not None
        if task.status is TaskStatus.COMPLETED:
            self.completed += 1
        elif task.status is TaskStatus.FAILED:
            self.failed += 1
        self.execution_time_ms += task.result.execution_time_ms
        self._let_go(entry)
        self._events.task(TaskEventKind.ENDED, task, task.result.worker_id)
        if task.started_at is None and entry.batch is not None:
            self._engine.skip(label_of(entry), Outcome(status=task.status, error=task.status_reason))
        self._went(entry.key, task, entry.batch)

    def foreign_ended(self, key: int, task: Task, batch: int | None) -> None:
        """Do what follows when a task of another owner has ended; `task` is up to date."""
        self._live.foreign.pop(key, None)
        waiters = self._live.foreign_waiters.pop(key, [])
        worker_id = task.result.worker_id if task.result is not None else None
        self._events.task(TaskEventKind.ENDED, task, worker_id, elsewhere=True)
        self.spawn(self._tell_of_foreign(task, waiters))
        self._went(key, task, batch)

    async def _tell_of_foreign(self, task: Task, waiters: Sequence[asyncio.Future[TaskResult]]) -> None:
        result = task.result
        assert result is not None
        if result.success and task.on_complete is not None:
            await self._caller.call(task.on_complete, result)
        elif not result.success and task.on_error is not None:
            kind = TaskCancelled if task.status is TaskStatus.CANCELLED else TaskFailed
            await self._caller.call(task.on_error, kind(result.error or "failed"))
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(result)

    def _went(self, key: int, task: Task, batch: int | None) -> None:
        success = task.status is TaskStatus.COMPLETED
        if self._dependencies.has_dependents(key):
            self._upstream.keep(key, task)
            self._release_dependents(key, task, success=success)
        state = self.batches.get(batch)
        if state is not None:
            self._task_of_batch_ended(state, key, task)

    def _release_dependents(self, key: int, task: Task, *, success: bool) -> None:
        ready, doomed = self._dependencies.ended(key, success=success)
        for dependent in ready:
            entry = self._live.get(dependent)
            if entry is not None:
                due_at = to_seconds(entry.task.scheduled_at) if entry.task.scheduled_at else 0.0
                if due_at > time.time():
                    entry.delay = asyncio.get_running_loop().call_later(due_at - time.time(), self._due, entry)
                else:
                    self.dispatcher.enqueue(entry)
        if not doomed:
            return
        lost = [entry for one in doomed if (entry := self._live.get(one)) is not None]
        self._end_all((entry for entry in lost if not _is_ending(entry)), dependency_failed(task))

    def _task_of_batch_ended(self, state: BatchState, key: int, task: Task) -> None:
        state.open.discard(key)
        if not state.open:
            self.spawn(self._batch_ends.end(state))
        elif state.batch.fail_fast and task.status is TaskStatus.FAILED and not state.is_cancelled:
            self.cancel_batch(state, f"task {task.id} of the batch failed")

    def cancel_batch(self, state: BatchState, reason: str) -> int:
        """Cancel what has not ended of a batch, also what other owners have; return how many tasks."""
        state.is_cancelled = True
        entries = [entry for key in sorted(state.open) if (entry := self._live.get(key)) is not None]
        elsewhere = state.open - {entry.key for entry in entries}
        if elsewhere:
            self.spawn(self._batch_ends.ask_to_cancel(elsewhere, reason))
        return self.cancel_all(entries, reason) + len(elsewhere)

    def lost(self, entry: Entry) -> None:
        """Let go of a task that another owner has taken over; who waits for it goes on waiting."""
        logger.warning("task %s was taken over by another owner", entry.task.id)
        self.hand_over(entry)

    def hand_over(self, entry: Entry) -> None:
        """Watch a task from now on that another owner has."""
        self._dependencies.drop(entry.key)
        self.dispatcher.withdraw(entry)
        self._let_go(entry)
        successor = self._live.get(entry.key)
        if successor is not None:  # the task has come back already
            successor.waiters.extend(entry.waiters)
            return
        self._live.foreign[entry.key] = entry.task
        if entry.waiters:
            self._live.foreign_waiters.setdefault(entry.key, []).extend(entry.waiters)
        self.look_elsewhere()

    async def hand_over_waiting(self) -> int:
        """Give up all tasks that do not run, for others to run, while draining; return how many.

        Raises JournalUnavailable; what is still this owner's then is found again.
        """
        every = list(self._live)
        count = 0
        for start in range(0, len(every), HANDED_OVER_AT_ONCE):
            waiting = [one for one in every[start : start + HANDED_OVER_AT_ONCE] if self._may_be_handed_over(one)]
            if waiting and self._ownership.is_draining:
                count += len(waiting)
                await self._give_up(waiting)
        return count

    def _may_be_handed_over(self, entry: Entry) -> bool:
        return not _is_ending(entry) and entry not in self.dispatcher.active and self._live.get(entry.key) is entry

    async def _give_up(self, entries: Sequence[Entry]) -> None:
        """Give tasks that do not run to nobody. They are let go of first, so that none starts meanwhile."""
        fences = {entry.key: entry.fence for entry in entries}
        with self._ownership.arriving(fences):
            for entry in entries:
                self.hand_over(entry)
            await self._journal.give_up(fences)

    def _let_go(self, entry: Entry) -> None:
        assert self._endings is not None
        self._endings.over(entry)
        self._live.drop(entry)
        if entry.span is not None:
            tracing.end_task(entry.span, entry.task)
        self._upstream.no_longer_wanted_by(entry)

    def no_worker(self, entry: Entry, wait: Wait) -> None:
        """Find out whether a task that nothing here can run is for another owner, and end it if for none."""
        entry.task.status, entry.task.status_reason = wait.status, wait.reason
        self._events.task(TaskEventKind.WAITING, entry.task)
        self.spawn(self._place(entry, wait))

    async def _place(self, entry: Entry, wait: Wait) -> None:
        try:
            elsewhere = await self._ownership.fits_elsewhere(entry.group, reachable=wait.unreachable)
        except Exception as error:  # the journal away, or no file to be had: the task must not be lost for it
            logger.warning("no other owner could be looked for: %r", error)
            if not _is_ending(entry):
                self.dispatcher.block(entry, wait, until=time.monotonic() + UNKNOWN_SECONDS)
            return
        if not self._may_be_handed_over(entry):  # cancelled, or handed over, meanwhile
            return
        if elsewhere and entry.fence < MOST_OWNERS:
            await self._pass_on(entry)
            return
        if wait.unreachable:
            away = WorkerUnavailable(f"{wait.reason}.", remedy="See the status of the workers.")
            self.end(entry, wait.error or away)
            return
        now = time.monotonic()
        if entry.adopted_at is not None and now < entry.adopted_at + self._settings.recovery_grace_seconds:
            self.dispatcher.block(entry, wait, until=entry.adopted_at + self._settings.recovery_grace_seconds)
            return
        self.end(entry, no_worker_error(entry))

    def awaited_elsewhere(self) -> set[int]:
        """Return the keys of unfinished tasks that somebody here waits for and another owner has."""
        keys = {key for key in self._dependencies.awaited() if self._live.get(key) is None}
        return keys | set(self._live.foreign)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something in the background; what it raises is logged."""
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._spawned_ended)

    def _spawned_ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a background step failed", exc_info=error)

    async def settle_down(self) -> None:
        """Wait until the background steps have ended."""
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)


def label_of(entry: Entry) -> Label:
    """Return what the record of an entry is called."""
    return Label(type=str(entry.task.type), name=run_name(entry.task), key=entry.key, batch=entry.batch)


def _is_ending(entry: Entry) -> bool:
    """Whether a task that does not run has ended or is about to."""
    return entry.final or entry.cancelled_by is not None


def _ignore() -> None:
    """Be told and do nothing."""


def results_of(tasks: Iterable[Task]) -> list[TaskResult]:
    """Return the results of ended tasks, in order."""
    return [task.result or TaskResult(success=False, error="no result is kept") for task in tasks]
