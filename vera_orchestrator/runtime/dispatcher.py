"""Schedule, admit, route and run: the loop that is woken by events and never ticks."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from vera_orchestrator.engine.base import Engine, Label, Outcome
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import LeaseLost, TaskFailed, VeraError, WorkerUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import TaskResult, utcnow
from vera_orchestrator.runtime.attempt import Attempts
from vera_orchestrator.runtime.blocking import BlockedGroups
from vera_orchestrator.runtime.capacity import Capacity, Seat, Wait
from vera_orchestrator.runtime.codec import to_seconds
from vera_orchestrator.runtime.entry import Entry, Group, run_name
from vera_orchestrator.runtime.judgement import End, Retry, blames_worker, judge_error, judge_result
from vera_orchestrator.runtime.settlement import Settlement
from vera_orchestrator.runtime.values import storable
from vera_orchestrator.scheduling import ReadyQueue
from vera_orchestrator.settings import OrchestratorConfig

LAUNCHES_PER_ROUND = 200
SLOT_RECHECK_SECONDS = 0.1
logger = logging.getLogger(__name__)


class Dispatcher:
    """Holds the waiting tasks and starts those that can go.

    `no_worker` is called with an entry that nothing here can run; `lost` with one that another owner took over.
    `active` holds the tasks that run, with the worker's seat; `unsettled` every step whose end is not yet committed.
    """

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        capacity: Capacity,
        engine: Engine,
        journal: Journal,
        attempts: Attempts,
        settlement: Settlement,
        no_worker: Callable[[Entry, Wait], None],
        lost: Callable[[Entry], None],
    ) -> None:
        self._settings = settings
        self._capacity = capacity
        self._engine = engine
        self._journal = journal
        self._attempts = attempts
        self._settlement = settlement
        self._no_worker = no_worker
        self._lost = lost
        self._queue: ReadyQueue[Entry] = ReadyQueue(settings.age_step_seconds)
        self._blocked = BlockedGroups(self._queue, self.wake)
        self._unreachable_since: dict[Group, float] = {}
        self._woken = False
        self._held = True
        self.active: dict[Entry, Seat] = {}
        self._slots_used = 0
        self.unsettled: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> int:
        """How many tasks are ready and wait for a worker."""
        return len(self._queue)

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
        entry.queued = True
        entry.task.status = TaskStatus.QUEUED
        self._push(entry)
        self.wake()

    def withdraw(self, entry: Entry) -> None:
        """Take a task out of the queue."""
        if entry.queued:
            entry.queued = False
            self._queue.remove(entry)

    def explain(self, entry: Entry) -> tuple[TaskStatus, str | None]:
        """Return a waiting task's status and what it waits for."""
        wait = self._blocked.get(entry.group) if entry.queued else None
        limit = self._settings.max_concurrent_tasks
        if wait is None and entry.queued and self._slots_used >= limit:
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
            if self._held or self._slots_used >= self._settings.max_concurrent_tasks:
                return
            entry = self._queue.peek(wall)
            if entry is None:
                return
            try:
                self._try(entry, now)
            except Exception as problem:  # a router or worker of somebody else's; it must not stop the others
                logger.exception("task %s could not be started", entry.task.id)
                self._give_up(entry, problem)
        self.wake()

    def _try(self, entry: Entry, now: float) -> None:
        """Start the first task of the queue, or find out what it waits for."""
        if entry.cancelled_by is not None:  # and not ended yet, as there are many
            self.withdraw(entry)
            return
        admitted = self._capacity.admit(entry, now)
        if isinstance(admitted, Seat):
            self._queue.serve(entry)
            entry.queued = False
            self._unreachable_since.pop(entry.group, None)
            self._start(entry, admitted, now)
        else:
            self._wait(entry, admitted, now)

    def _give_up(self, entry: Entry, problem: BaseException) -> None:
        """End a task that something unexpected happened to."""
        seat = self.active.get(entry)
        if seat is not None:
            self._free(entry, seat, worker_failed=None)
        if not entry.task.status.is_final:
            self._spawn_end(entry, TaskFailed(storable(f"{type(problem).__name__}: {problem}")))

    def _wait(self, entry: Entry, wait: Wait, now: float) -> None:
        if wait.nothing_fits:
            self.withdraw(entry)
            self._no_worker(entry, wait)
            return
        if wait.group != entry.group:
            self.withdraw(entry)
            entry.group = wait.group
            entry.queued = True
            self._push(entry)
            return
        if wait.unreachable:
            since = self._unreachable_since.setdefault(entry.group, now)
            deadline = max(since, now - (time.time() - entry.entered)) + self._settings.unavailable_wait_seconds
            if now >= deadline:
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

    def _start(self, entry: Entry, seat: Seat, now: float) -> None:
        self._capacity.take(entry, seat, now)
        self._slots_used += seat.worker.occupies_slot
        self.active[entry] = seat
        if entry.held:
            self._follow(entry, seat, asyncio.create_task(self._start_with_slots(entry, seat)))
        else:
            self._launch(entry, seat)

    async def _start_with_slots(self, entry: Entry, seat: Seat) -> None:
        """Take the journal's slots first: the limits hold across processes."""
        slots = self._capacity.slots(entry.group)
        try:
            full = await self._journal.acquire(entry.owner, entry.key, slots)
        except (VeraError, asyncio.CancelledError) as error:
            logger.warning("no slot could be taken for %s: %r", entry.task.id, error)
            full = set(slots)
        if full:
            self._free(entry, seat, worker_failed=None)
            if entry.cancelled_by is not None:
                self._spawn_end(entry, entry.cancelled_by)
                return
            name = next(iter(full))
            self.block(
                entry,
                self._capacity.full(entry.group, name, slots[name]),
                until=time.monotonic() + SLOT_RECHECK_SECONDS,
            )
            return
        self._launch(entry, seat)

    def _launch(self, entry: Entry, seat: Seat) -> None:
        task = entry.task
        label = Label(type=str(task.type), name=run_name(task), key=entry.key, batch=entry.batch)
        task.status, task.status_reason, task.started_at = TaskStatus.RUNNING, None, utcnow()
        self._follow(entry, seat, self._engine.launch(label, lambda: self._live(entry, seat)))

    def _follow(self, entry: Entry, seat: Seat, execution: asyncio.Task[Any]) -> None:
        entry.execution = execution
        self.unsettled.add(execution)
        execution.add_done_callback(lambda _: self._over(entry, seat, execution))

    def _over(self, entry: Entry, seat: Seat, execution: asyncio.Task[Any]) -> None:
        self.unsettled.discard(execution)
        problem = None if execution.cancelled() else execution.exception()
        if problem is not None:
            logger.error("task %s could not be settled", entry.task.id, exc_info=problem)
            self._give_up(entry, problem)
            return
        if entry.execution is not execution:
            return
        # it was cancelled before its first step
        self._free(entry, seat, worker_failed=None)
        if entry.cancelled_by is not None:
            self._spawn_end(entry, entry.cancelled_by)

    def _free(self, entry: Entry, seat: Seat, *, worker_failed: bool | None) -> None:
        self.active.pop(entry, None)
        entry.execution = None
        self._slots_used -= seat.worker.occupies_slot
        self._blocked.event(*self._capacity.give_back(entry, seat, time.monotonic(), worker_failed=worker_failed))

    async def _live(self, entry: Entry, seat: Seat) -> Outcome:
        """Run one attempt and do what follows from it."""
        result: TaskResult | None = None
        error: VeraError | None = None
        handed_back = False
        try:
            result = await self._attempt(entry, seat)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()
            error = entry.cancelled_by
            handed_back = error is None
        except VeraError as problem:
            error = problem
        except Exception as problem:  # a fault of ours or a result of no sensible form: the task must end all the same
            logger.exception("the attempt of task %s failed outside its worker", entry.task.id)
            error = TaskFailed(f"{type(problem).__name__}: {problem}")
        return await self._after(entry, seat, result, error, handed_back=handed_back)

    async def _attempt(self, entry: Entry, seat: Seat) -> TaskResult:
        task = entry.task
        at = to_seconds(task.started_at or utcnow())
        marking = partial(self._journal.started, entry.key, entry.fence, at=at, worker_id=seat.worker.worker_id)
        # where it matters that the mark is there: a task that may not run twice, or that may have killed its process
        if task.max_retries == 0 or entry.adopted_at is not None:
            if not await self._settlement.surely(marking):
                raise LeaseLost("another owner has the task.")
        else:
            asyncio.ensure_future(marking()).add_done_callback(_unheeded)
        result = await self._attempts.run(entry, seat.worker)
        seat.worker.record(success=result.success, execution_time_ms=result.execution_time_ms)
        result.metrics = {
            **result.metrics,
            "routing": {"worker": seat.worker.worker_id, "considered": entry.considered},
        }
        return result

    async def _after(
        self, entry: Entry, seat: Seat, result: TaskResult | None, error: VeraError | None, *, handed_back: bool
    ) -> Outcome:
        if handed_back:
            self._free(entry, seat, worker_failed=None)
            await self._hand_back(entry)
            return Outcome(status=TaskStatus.CANCELLED, error="handed back: the orchestrator stops", again=True)
        if isinstance(error, LeaseLost):
            self._free(entry, seat, worker_failed=None)
            self._lost(entry)
            return Outcome(status=TaskStatus.CANCELLED, error=str(error))
        verdict = self._judge(entry, seat, result, error)
        self._free(entry, seat, worker_failed=blames_worker(result, verdict.error))
        if isinstance(verdict, Retry):
            await self._again(entry, verdict)
            return Outcome(status=TaskStatus.FAILED, error=str(verdict.error), again=True)
        await self._finish(entry, verdict, result)
        task = entry.task
        return Outcome(status=task.status, error=task.status_reason)

    async def _hand_back(self, entry: Entry) -> None:
        """Let the next owner run a task as if it had not been started; one that may not run twice stays as it is."""
        if entry.task.max_retries == 0:
            return
        try:
            await self._journal.give_up({entry.key: entry.fence})
        except VeraError as error:  # then its next owner counts it as interrupted
            logger.warning("task %s could not be handed back: %s", entry.task.id, error)

    def _judge(self, entry: Entry, seat: Seat, result: TaskResult | None, error: VeraError | None) -> Retry | End:
        limit, chance = self._settings.retry_delay_max_seconds, random.random()
        if result is not None:
            verdict = judge_result(entry.task, result, delay_limit=limit, chance=chance)
        else:
            assert error is not None
            seat.worker.record(success=False, execution_time_ms=0.0)
            now = time.monotonic()
            if isinstance(error, WorkerUnavailable):
                entry.unreached_since = entry.unreached_since or now
            else:
                entry.unreached_since = None
            patient = now - (entry.unreached_since or now) < self._settings.unavailable_wait_seconds
            verdict = judge_error(entry.task, error, patient=patient, delay_limit=limit, chance=chance)
        if isinstance(verdict, Retry):
            entry.failed_on = seat.worker.worker_id
            if entry.expired:
                return End(status=verdict.error.task_status, error=verdict.error, exhausted=True)
        return verdict

    async def _again(self, entry: Entry, retry: Retry) -> None:
        task = entry.task
        error = storable(str(retry.error)) if task.store else type(retry.error).__name__
        due_at = time.time() + retry.delay
        kept = await self._settlement.surely(
            lambda: self._journal.requeued(
                entry.key, entry.fence, due_at=due_at, retry_count=retry.retry_count, error=error
            )
        )
        if entry.final:  # cancelled meanwhile
            return
        if not kept:
            self._lost(entry)
            return
        task.retry_count = retry.retry_count
        task.status, task.status_reason = TaskStatus.QUEUED, f"again in {retry.delay:.3g} s: {error}"
        if entry.cancelled_by is not None:
            self._spawn_end(entry, entry.cancelled_by)
            return
        entry.delay = asyncio.get_running_loop().call_later(retry.delay, self.enqueue, entry)

    async def _finish(self, entry: Entry, end: End, result: TaskResult | None) -> None:
        kept = await self._settlement.end(
            entry, status=end.status, result=result, error=end.error, exhausted=end.exhausted
        )
        if not kept:
            self._lost(entry)

    def _spawn_end(self, entry: Entry, error: VeraError) -> None:
        self.end_soon(entry, End(status=error.task_status, error=error, exhausted=error.retryable))

    def end_soon(self, entry: Entry, end: End) -> asyncio.Task[None]:
        """End a task that is not running."""
        entry.final = True
        self.withdraw(entry)
        entry.forget_timers()
        task = asyncio.create_task(self._finish(entry, end, None))
        self.unsettled.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.unsettled.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.error("the end of a task could not be written", exc_info=problem)


def _unheeded(mark: asyncio.Future[bool]) -> None:
    """Let nobody be told that a mark could not be written: the end of the task will be, or its next owner runs it."""
    if not mark.cancelled():
        mark.exception()
