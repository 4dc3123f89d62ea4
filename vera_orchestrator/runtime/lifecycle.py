"""Start, stop, and becoming an owner anew."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import AsyncExitStack
from typing import Self

from vera_orchestrator.errors import JournalUnavailable, OrchestratorStopped
from vera_orchestrator.keys import Keys
from vera_orchestrator.runtime.accounts import Accounts
from vera_orchestrator.runtime.batches import BatchState
from vera_orchestrator.runtime.draining import drain
from vera_orchestrator.runtime.parts import Outside, Parts, assemble
from vera_orchestrator.runtime.reading import Reading

REJOIN_SECONDS = 0.1
REJOIN_SECONDS_AT_MOST = 5.0
DISMISSED_AT_ONCE = 200
DRAIN_LOOK_SECONDS = 0.1
logger = logging.getLogger(__name__)


class Lifecycle:
    """The life of an orchestrator, from `start` to `stop`, as often as it is wanted; the parts live for one start."""

    def __init__(self, given: Outside) -> None:
        self._given = given
        self.config = given.config
        self.keys = Keys(given.journal, given.config.api_key, zone=given.config.llm_time_zone)
        self.worker_registry = given.registry
        self.router = given.router
        self.engine = given.engine
        self.events = given.events
        self.transcripts = given.transcripts
        self.accounts = Accounts(given.journal, given.registry, given.config)
        self.is_running = False
        self.is_draining = False
        self._is_started = False  # and not stopped since; not running yet if it is to become an owner anew
        self._is_starting = False
        self._is_stopping = False
        self._started_at: float | None = None
        self._changing = asyncio.Lock()
        self._reading = Reading(given.journal)
        self._parts = self._assembled()
        self._rejoining: asyncio.Task[None] | None = None
        self._coming_batches: set[str] = set()
        given.registry.on_change(lambda: self._parts.workers_changed() if self.is_running else None)
        given.registry.on_worker(given.events.worker)
        given.engine.on_cancelled_batch = self._batch_cancelled_in_prefect
        given.engine.on_shown_batch = self._batch_shown_in_prefect
        given.engine.on_changed_limits = lambda: self._parts.dispatcher.workers_changed()

    async def start(self) -> None:
        """Open the journal, connect to Prefect, start the workers and go on with unfinished tasks.

        A second call does nothing. Raises JournalUnavailable; a Prefect server that cannot be reached is logged, and
        what cannot be recorded is counted.
        """
        async with self._changing:
            if self._is_started:
                return
            self._is_starting = True
            try:
                await self._start()
            finally:
                self._is_starting = False

    async def _start(self) -> None:
        parts = self._parts = self._assembled()
        async with AsyncExitStack() as undo:  # also what a caller that goes away leaves half done
            undo.push_async_callback(self._given.journal.close)
            await self._given.journal.open()
            undo.push_async_callback(parts.ownership.leave)
            await parts.ownership.join()
            await self.engine.start()
            undo.push_async_callback(self.engine.stop)
            undo.push_async_callback(self._stop_workers)
            idle = [worker for worker in self.worker_registry.get_all_workers() if not worker.is_usable]
            await asyncio.gather(*(self.worker_registry.start_worker(worker) for worker in idle))
            await parts.ownership.announce(self.worker_registry.get_all_workers())
            undo.pop_all()
        if self.config.freeze_garbage:
            # a full collection walks all modules, 100 ms with Prefect's, again and again under load
            gc.collect()
            gc.freeze()
        self._started_at = time.time()
        self.is_running = self._is_started = True
        parts.dispatcher.resume()
        parts.services.start()
        await self._given.journal.listen(lambda news: self._parts.services.hear(news))

    async def stop(self) -> None:
        """Stop taking tasks, let running ones end for `drain_seconds`, and hand the others back to the journal.

        A second call waits for the first and does nothing else. Whoever still waits for a result gets
        OrchestratorStopped. A stop that has begun goes on although its caller is cancelled.
        """
        await self._changing.acquire()
        stopping = asyncio.create_task(self._stop(), name="vera-stop")
        stopping.add_done_callback(lambda _: self._changing.release())
        await asyncio.shield(stopping)

    async def _stop(self) -> None:
        if not self._is_started:
            await self._given.journal.close()  # somebody may have read from it since
            return
        self.is_running, self._is_started, self._is_stopping = False, False, True
        self.is_draining = False
        if self._rejoining is not None:
            self._rejoining.cancel()  # it waits for its next try, or for this
        parts = self._parts
        parts.dispatcher.hold()
        async with AsyncExitStack() as steps:  # they run from the last to the first, each even if another fails
            if self.config.freeze_garbage:
                steps.callback(gc.unfreeze)
            steps.push_async_callback(self._given.journal.close)
            steps.push_async_callback(parts.ownership.leave)
            steps.push_async_callback(self._stop_workers)
            steps.push_async_callback(self.engine.stop)
            steps.push_async_callback(parts.deliverer.finish, self.config.drain_seconds)
            steps.push_async_callback(self._dismiss_waiters, parts)
            steps.push_async_callback(parts.progress.settle_down)
            steps.push_async_callback(drain, parts.dispatcher, self.config.drain_seconds)
            steps.push_async_callback(parts.services.stop)

    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Run nothing more here until `resume`: hand waiting tasks to other orchestrators, and let running ones end.

        Until then submitting raises OrchestratorStopped; reading, waiting and cancelling go on. For an upgrade, drain
        and then stop. Raises TimeoutError after `timeout` seconds, still draining, and OrchestratorStopped if it is not
        running, or if `stop` or `resume` is called meanwhile.
        """
        self.is_draining = True
        try:
            parts = await self._ready(may_start=False)
        except OrchestratorStopped:
            self.is_draining = False
            raise
        parts.ownership.is_draining = True
        parts.dispatcher.hold()
        parts.services.want_claim()  # which tells the others that nothing can be run here
        async with asyncio.timeout(timeout):
            while await self._has_handed_over_some() or self._is_busy():
                if not self.is_draining:
                    raise OrchestratorStopped("draining was broken off: stop() or resume() was called.")
                unsettled = set(self._parts.dispatcher.unsettled)
                if unsettled:
                    await asyncio.wait(unsettled, timeout=DRAIN_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(DRAIN_LOOK_SECONDS)

    async def _has_handed_over_some(self) -> bool:
        try:
            return await self._parts.progress.hand_over_waiting() > 0
        except JournalUnavailable as error:
            logger.warning("draining waits for the journal: %s", error)
            return True

    def _is_busy(self) -> bool:
        """Whether tasks run here, end, or are just coming."""
        parts = self._parts
        return not self.is_running or bool(parts.dispatcher.unsettled) or parts.ownership.has_arrivals

    async def resume(self) -> None:
        """Run tasks again after `drain`."""
        self.is_draining = False
        parts = await self._ready(may_start=False)
        parts.ownership.is_draining = False
        parts.dispatcher.resume()
        parts.workers_changed()

    async def _stop_workers(self) -> None:
        workers = self.worker_registry.get_all_workers()
        await asyncio.gather(*(self.worker_registry.stop_worker(worker) for worker in workers))

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def _assembled(self) -> Parts:
        return assemble(self._given, self.keys, taken_over=self._taken_over, lost=self._given_up_for_dead)

    async def _dismiss_waiters(self, parts: Parts) -> None:
        self._is_stopping = False
        error = OrchestratorStopped("the orchestrator was stopped.", remedy="Start it again: the task is kept.")
        waiters = [waiter for entry in parts.live for waiter in entry.waiters]
        waiters += [waiter for some in parts.live.foreign_waiters.values() for waiter in some]
        waiters += [state.done for state in parts.progress.batches]
        for number, waiter in enumerate(waiters, start=1):
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # whoever awaits it gets it; nobody has to
            if number % DISMISSED_AT_ONCE == 0:
                await asyncio.sleep(0)  # those just told go on first, so that the loop never stands still for long
        for entry in parts.live:
            entry.forget_timers()

    def _taken_over(self) -> None:
        self._parts.services.want_claim()

    def _given_up_for_dead(self) -> None:
        self._begin_rejoin()

    def _begin_rejoin(self) -> asyncio.Task[None]:
        if self._rejoining is None or self._rejoining.done():
            self._rejoining = asyncio.create_task(self._rejoin(self._parts), name="vera-rejoin")
        return self._rejoining

    async def _rejoin(self, parts: Parts) -> None:
        """Let go of tasks that others may take over now, and begin again as a new owner, however often that fails.

        Only ever a task of its own: it breaks off the running tasks, and its caller may be one of them.
        """
        async with self._changing:
            if not self._is_started or parts is not self._parts:
                return
            self.is_running = False  # who asks for something meanwhile waits until this is over
            fresh = await self._let_go(parts)
        pause = REJOIN_SECONDS
        while True:
            async with self._changing:  # not held between tries, so that it can be stopped
                if not self._is_started or fresh is not self._parts or await self._has_joined(fresh):
                    return
            await asyncio.sleep(pause)
            pause = min(2 * pause, REJOIN_SECONDS_AT_MOST)

    async def _let_go(self, parts: Parts) -> Parts:
        parts.dispatcher.hold()
        await parts.services.stop()
        await drain(parts.dispatcher, 0)
        await parts.deliverer.finish(0)
        self._parts = fresh = self._assembled()
        fresh.ownership.is_draining = self.is_draining
        fresh.live.inherit(parts.live)
        for state in parts.progress.batches:
            fresh.progress.batches.add(state)
        await _leave(parts)
        return fresh

    async def _has_joined(self, fresh: Parts) -> bool:
        try:
            await fresh.ownership.join()
        except Exception:  # whatever it was: tasks and their waiters depend on another try
            logger.exception("this process could not become an owner again; it will be tried again")
            await _leave(fresh)
            return False
        self.is_running = True
        if not self.is_draining:
            fresh.dispatcher.resume()
        fresh.services.start()
        return True

    async def _reborn(self, parts: Parts) -> Parts:
        """Wait until this process is an owner again."""
        if self._is_started and (parts is self._parts or not self.is_running):
            await asyncio.wait({self._begin_rejoin()})  # goes on if this caller is cancelled
        if not self.is_running:
            raise OrchestratorStopped("the orchestrator was stopped meanwhile.", remedy="Start it again.")
        return self._parts

    async def _ready(self, *, may_start: bool = True) -> Parts:
        if self._is_stopping:  # and the running tasks are waited for: one that asks must not wait in turn
            raise OrchestratorStopped("the orchestrator is being stopped.", remedy="Start it again.")
        if not self._is_started:
            if not ((may_start and self.config.auto_start) or self._is_starting):
                raise OrchestratorStopped("the orchestrator is not running.", remedy="Call start() first.")
            await self.start()
        return self._parts if self.is_running else await self._reborn(self._parts)

    def _batch_cancelled_in_prefect(self, key: int) -> None:
        state: BatchState | None = self._parts.progress.batches.get(key)
        if state is not None:
            self._parts.progress.cancel_batch(state, "its flow run was cancelled in Prefect")

    def _batch_shown_in_prefect(self, key: int, flow_run_id: str) -> None:
        state = self._parts.progress.batches.get(key)
        if state is not None:
            state.batch.flow_run_id = flow_run_id
        self._parts.progress.spawn(self._given.journal.batch_flow_run(key, flow_run_id))


async def _leave(parts: Parts) -> None:
    """Leave as an owner that others have removed, or that has not come to be: what remains ends with its lease."""
    try:
        await parts.ownership.leave()
    except Exception:  # it must not keep this process from becoming a new owner
        logger.exception("owner %d could not be removed", parts.ownership.number)
