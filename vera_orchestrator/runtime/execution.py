"""Run and settle: one attempt of a task, and what follows from it."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from vera_orchestrator import tracing
from vera_orchestrator.engine.base import Engine, Label, Outcome
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import LeaseLost, TaskFailed, VeraError
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import Task, TaskResult, utcnow
from vera_orchestrator.runtime.attempt import Attempts
from vera_orchestrator.runtime.capacity import SETTLED, Capacity, Seat, Wait
from vera_orchestrator.runtime.codec import to_seconds
from vera_orchestrator.runtime.entry import Entry, Refusal, run_name
from vera_orchestrator.runtime.events import Events, TaskEventKind, telling
from vera_orchestrator.runtime.judge import Judge
from vera_orchestrator.runtime.judgement import End, Retry, blames_worker
from vera_orchestrator.runtime.marking import marked_if_long
from vera_orchestrator.runtime.metering import Metering, Refused
from vera_orchestrator.runtime.reasons import expired
from vera_orchestrator.runtime.settlement import Settlement
from vera_orchestrator.runtime.values import storable
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.metered import MeteredWorker

SLOT_RECHECK_SECONDS = 0.1
AWAY_RECHECK_SECONDS = 1.0
logger = logging.getLogger(__name__)


class WaitingRoom(Protocol):
    """Where tasks wait that do not run."""

    def enqueue(self, entry: Entry) -> None:
        """Let a task wait for its turn."""
        ...

    def withdraw(self, entry: Entry) -> None:
        """Take a task out."""
        ...

    def block(self, entry: Entry, wait: Wait, *, until: float | None) -> None:
        """Let a task wait for one of the wait's tokens, or the time."""
        ...

    def freed(self, *tokens: str) -> None:
        """Look at the tasks that wait for what is free now."""
        ...

    def answered(self, entry: Entry) -> None:
        """Let others ask too: this one knows whether it can go."""
        ...

    def refused(self, entry: Entry) -> None:
        """Look for another worker, or let the task wait."""
        ...


class Executions:
    """Runs the attempts of tasks that have a seat.

    `lost` is called with an entry that another owner took over. `active` holds the tasks that run, with the worker's
    seat; `unsettled` every step whose end is not yet committed.
    """

    def __init__(
        self,
        room: WaitingRoom,
        *,
        settings: OrchestratorConfig,
        capacity: Capacity,
        engine: Engine,
        journal: Journal,
        attempts: Attempts,
        metering: Metering,
        settlement: Settlement,
        lost: Callable[[Entry], None],
        events: Events,
    ) -> None:
        self._settings = settings
        self._capacity = capacity
        self._engine = engine
        self._journal = journal
        self._attempts = attempts
        self._metering = metering
        self._settlement = settlement
        self._judge = Judge(settings, capacity)
        self._room = room
        self._lost = lost
        self._events = events
        self.active: dict[Entry, Seat] = {}
        self.slots_used = 0
        self.unsettled: set[asyncio.Task[Any]] = set()

    # admit

    def start(self, entry: Entry, seat: Seat, now: float) -> None:
        """Run a task on the worker that was found for it."""
        self._capacity.take(entry, seat, now)
        self.slots_used += seat.worker.occupies_slot
        self.active[entry] = seat
        if entry.held or isinstance(seat.worker, MeteredWorker):
            self._follow(entry, seat, asyncio.create_task(self._start_if_admitted(entry, seat)))
        else:
            self._launch(entry, seat)

    async def _start_if_admitted(self, entry: Entry, seat: Seat) -> None:
        """Take the journal's slots and what the ledger has to give first: the limits hold across processes."""
        slots = self._capacity.slots(entry.group) if entry.held else {}
        full = refused = None
        try:
            full = next(iter(await self._journal.acquire(entry.owner, entry.key, slots)), None) if slots else None
            if full is None and isinstance(seat.worker, MeteredWorker):
                refused = await self._metering.admit(entry, seat.worker)
                if refused is not None and slots:
                    await self._journal.release(entry.key)
        except (VeraError, asyncio.CancelledError) as error:
            if entry.cancelled_by is None:
                logger.warning("task %s could not be admitted: %r", entry.task.id, error)
            refusal = Refusal(time.monotonic() + AWAY_RECHECK_SECONDS, f"not admitted: {error!r}", by_limit=False)
            refused = Refused(refusal=refusal)
        finally:
            self._room.answered(entry)
        if entry.accepted is not None and not await self._is_accepted(entry, entry.accepted):
            self._take_back(entry, seat)
            return
        if full is None and refused is None:
            self._launch(entry, seat)
            return
        self._free(entry, seat, worker_failed=None)
        if refused is not None or entry.cancelled_by is not None or entry.expired:
            self._refuse(entry, seat, refused)
        elif full is not None:
            wait = self._capacity.full(entry.group, full, slots[full])
            self._room.block(entry, wait, until=time.monotonic() + SLOT_RECHECK_SECONDS)

    async def _is_accepted(self, entry: Entry, accepted: asyncio.Future[bool]) -> bool:
        """Return whether a task that was started ahead is committed, and to be run."""
        if not accepted.done():
            self._journal.hurry()  # nothing was reserved, with which it would have been written
        return await asyncio.shield(accepted) and not entry.final

    def _take_back(self, entry: Entry, seat: Seat) -> None:
        """Undo the start of a task that was not committed."""
        call, entry.call = entry.call, None
        giving_back = self._metering.take_back(call) if call is not None else None
        if giving_back is not None:
            self.unsettled.add(giving_back)
            giving_back.add_done_callback(self._settled)
        self._free(entry, seat, worker_failed=None)

    def _refuse(self, entry: Entry, seat: Seat, refused: Refused | None) -> None:
        """Look for another worker, or for a later time, unless the task is to end."""
        if entry.cancelled_by is not None:
            self._spawn_end(entry, entry.cancelled_by)
            return
        if entry.expired or refused is None:
            self._spawn_end(entry, expired())
            return
        refusal = refused.refusal._replace(as_of=self._capacity.state)
        entry.refuse(seat.worker.worker_id, refusal)
        if refused.pauses_worker:
            seat.pause(refusal.until, refusal.reason)
        self._room.refused(entry)

    # run

    def _launch(self, entry: Entry, seat: Seat) -> None:
        task = entry.task
        label = Label(type=str(task.type), name=run_name(task), key=entry.key, batch=entry.batch)
        task.status, task.status_reason, task.started_at = TaskStatus.RUNNING, None, utcnow()
        task.worker_id = seat.worker.worker_id
        self._events.task(TaskEventKind.STARTED, task, seat.worker.worker_id)
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
            self.give_up(entry, problem)
            return
        if entry.execution is not execution:
            return
        # it was cancelled before its first step
        self._free(entry, seat, worker_failed=None)
        if entry.cancelled_by is not None:
            self._spawn_end(entry, entry.cancelled_by)

    def give_up(self, entry: Entry, problem: BaseException) -> None:
        """End a task that something unexpected happened to."""
        seat = self.active.get(entry)
        if seat is not None:
            self._free(entry, seat, worker_failed=None)
        if not entry.task.status.is_final:
            self._spawn_end(entry, TaskFailed(storable(f"{type(problem).__name__}: {problem}")))

    def _free(self, entry: Entry, seat: Seat, *, worker_failed: bool | None) -> None:
        self._room.answered(entry)  # if it was broken off before it could be
        call, entry.call = entry.call, None
        settling = self._metering.settle(call) if call is not None else None
        if settling is not None:
            self.unsettled.add(settling)
            settling.add_done_callback(self._settled)
        self.active.pop(entry, None)
        entry.execution = None
        self.slots_used -= seat.worker.occupies_slot
        self._room.freed(*self._capacity.give_back(entry, seat, time.monotonic(), worker_failed=worker_failed))

    async def _live(self, entry: Entry, seat: Seat) -> Outcome:
        """Run one attempt and do what follows from it."""
        result: TaskResult | None = None
        error: VeraError | None = None
        handed_back = False
        try:
            result = await self._traced(entry, seat)
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

    async def _traced(self, entry: Entry, seat: Seat) -> TaskResult:
        if entry.span is None:
            return await self._attempt(entry, seat)
        with tracing.attempt(entry.span, entry.task, seat.worker.worker_id) as span:
            result = await self._attempt(entry, seat)
            tracing.judged(span, result)
            return result

    async def _attempt(self, entry: Entry, seat: Seat) -> TaskResult:
        task = entry.task
        at = to_seconds(task.started_at or utcnow())
        marking = partial(self._journal.started, entry.key, entry.fence, at=at, worker_id=seat.worker.worker_id)
        # where it matters that the mark is there: a task that may not run twice, or that may have killed its process
        if task.max_retries == 0 or entry.adopted_at is not None:
            if not await self._settlement.surely(marking):
                raise LeaseLost("another owner has the task.")
            result = await self._asked(entry, seat)
        else:
            with marked_if_long(partial(marking, hurries=False)):
                result = await self._asked(entry, seat)
        result.metrics = {
            **result.metrics,
            "routing": {"worker": seat.worker.worker_id, "considered": entry.considered},
        }
        return result

    async def _asked(self, entry: Entry, seat: Seat) -> TaskResult:
        """Return what the worker makes of a task."""
        if entry.call is not None:
            return await self._metered(entry, seat)
        given, secrets = await self._attempts.prepare(entry)
        result = await self._attempts.run(self._watched(entry, given, seat.worker), secrets, seat.worker)
        seat.worker.record(success=result.success, execution_time_ms=result.execution_time_ms)
        return result

    async def _metered(self, entry: Entry, seat: Seat) -> TaskResult:
        call = entry.call
        assert call is not None
        if call.problem is not None:
            raise call.problem
        if call.answered is not None:
            return call.answered
        assert call.task is not None
        channel: Channel = self._metering.begin(call, entry)
        channel.streams_for_progress = entry.task.on_progress is not None
        given = self._watched(entry, call.task, seat.worker)
        result = await self._attempts.run(given, call.secrets, seat.worker, channel)
        seat.worker.record(success=result.success, execution_time_ms=result.execution_time_ms)
        await self._metering.keep(call, result)
        return result

    def _watched(self, entry: Entry, given: Task, worker: BaseWorker) -> Task:
        """Return the task as its worker gets it, telling of its progress where somebody listens."""
        if not self._events.wants_progress:
            return given
        hook = telling(self._events, entry.task, worker.worker_id, entry.task.on_progress)
        given = copy.copy(given) if given is entry.task else given
        given.on_progress = hook
        return given

    # settle

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
        verdict = self._judge.verdict(entry, seat, result, error)
        was_asked = entry.call is None or entry.call.channel is not None  # else it speaks neither for nor against it
        self._free(entry, seat, worker_failed=blames_worker(result, verdict.error) if was_asked else None)
        if isinstance(verdict, Retry):
            await self._again(entry, verdict, seat.worker.worker_id)
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

    async def _again(self, entry: Entry, retry: Retry, worker_id: str) -> None:
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
        self._events.task(TaskEventKind.RETRYING, task, worker_id)
        if entry.cancelled_by is not None:
            self._spawn_end(entry, entry.cancelled_by)
            return
        entry.delay = asyncio.get_running_loop().call_later(retry.delay, self._room.enqueue, entry)

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
        self._room.withdraw(entry)
        entry.forget_timers()
        task = asyncio.create_task(self._finish(entry, end, None))
        self.unsettled.add(task)
        task.add_done_callback(self._ended)
        return task

    def _settled(self, settling: asyncio.Task[None]) -> None:
        self._ended(settling)
        self._capacity.settlements += 1
        self._room.freed(SETTLED)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.unsettled.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.error("the end of a task could not be written", exc_info=problem)
