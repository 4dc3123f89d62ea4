"""The orchestrator: what can be asked of it, and its start and stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from typing import Any, Self

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import InvalidValue, LeaseLost, NotFound, OrchestratorStopped
from vera_orchestrator.journal.base import HistoryQuery
from vera_orchestrator.models import Hook, ParallelBatch, Task, TaskResult
from vera_orchestrator.runtime.batches import BatchState
from vera_orchestrator.runtime.codec import decode_task
from vera_orchestrator.runtime.draining import drain
from vera_orchestrator.runtime.parts import Outside, Parts, assemble
from vera_orchestrator.runtime.progress import results_of
from vera_orchestrator.runtime.reading import Reading
from vera_orchestrator.runtime.status import metrics_of, recording_of
from vera_orchestrator.runtime.submission import BatchOptions, waiter_of

logger = logging.getLogger(__name__)


class Orchestrator:
    """Takes tasks, runs each on the best worker, and loses none that it has accepted.

    All coroutines are for one event loop, the one that `start` was called on. What reaches outside is passed in;
    `compose` builds that from settings.
    """

    def __init__(self, given: Outside) -> None:
        self._given = given
        self.config = given.config
        self.worker_registry = given.registry
        self.router = given.router
        self.engine = given.engine
        self.is_running = False
        self._is_stopping = False
        self._started_at: float | None = None
        self._changing = asyncio.Lock()
        self._reading = Reading(given.journal)
        self._parts = self._assembled()
        self._rejoining: asyncio.Task[None] | None = None
        given.registry.on_change(lambda: self._parts.workers_changed() if self.is_running else None)
        given.engine.on_cancelled_batch = self._batch_cancelled_in_prefect
        given.engine.on_shown_batch = self._batch_shown_in_prefect
        given.engine.on_changed_limits = lambda: self._parts.dispatcher.workers_changed()

    # life

    async def start(self) -> None:
        """Open the journal, connect to Prefect, start the workers and go on with unfinished tasks.

        A second call does nothing. Raises JournalUnavailable; a Prefect server that cannot be reached is logged, and
        what cannot be recorded is counted.
        """
        async with self._changing:
            if self.is_running:
                return
            self._parts = self._assembled()
            await self._given.journal.open()
            try:
                await self._parts.ownership.join()
                await self.engine.start()
            except BaseException:
                await self._parts.ownership.leave()
                await self._given.journal.close()
                raise
            idle = [worker for worker in self.worker_registry.get_all_workers() if not worker.is_usable]
            await asyncio.gather(*(self.worker_registry.start_worker(worker) for worker in idle))
            await self._parts.ownership.announce(self.worker_registry.get_all_workers())
            if self.config.freeze_garbage:
                # a full collection walks all modules, 100 ms with Prefect's, again and again under load
                gc.collect()
                gc.freeze()
            self._started_at = time.time()
            self.is_running = True
            self._parts.dispatcher.resume()
            self._parts.services.start()

    async def stop(self) -> None:
        """Stop taking tasks, let running ones end for `drain_seconds`, and hand the others back to the journal.

        A second call does nothing. Whoever still waits for a result gets OrchestratorStopped.
        """
        async with self._changing:
            if not self.is_running:
                await self._given.journal.close()  # somebody may have read from it since
                return
            self.is_running, self._is_stopping = False, True
            parts = self._parts
            parts.dispatcher.hold()
            await parts.services.stop()
            await drain(parts.dispatcher, self.config.drain_seconds)
            await parts.progress.settle_down()
            self._is_stopping = False
            self._dismiss_waiters(parts)
            await self.engine.stop()
            for worker in self.worker_registry.get_all_workers():
                await self.worker_registry.stop_worker(worker)
            await parts.ownership.leave()
            await self._given.journal.close()
            if self.config.freeze_garbage:
                gc.unfreeze()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def _assembled(self) -> Parts:
        return assemble(self._given, taken_over=self._taken_over, lost=self._given_up_for_dead)

    @staticmethod
    def _dismiss_waiters(parts: Parts) -> None:
        error = OrchestratorStopped("the orchestrator was stopped.", remedy="Start it again: the task is kept.")
        waiters = [waiter for entry in parts.live for waiter in entry.waiters]
        waiters += [waiter for some in parts.live.foreign_waiters.values() for waiter in some]
        waiters += [state.done for state in parts.progress.batches]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # whoever awaits it gets it; nobody has to
        for entry in parts.live:
            entry.forget_timers()

    def _taken_over(self) -> None:
        self._parts.services.want_claim()

    def _given_up_for_dead(self) -> None:
        self._rejoining = asyncio.create_task(self._rejoin(self._parts), name="vera-rejoin")

    async def _rejoin(self, parts: Parts) -> None:
        """Let go of tasks that others may take over now, and begin again as a new owner."""
        async with self._changing:
            if not self.is_running or parts is not self._parts:
                return
            self.is_running = False  # who asks for something meanwhile waits until this is over
            parts.dispatcher.hold()
            await parts.services.stop()
            await drain(parts.dispatcher, 0)
            fresh = self._assembled()
            fresh.live.inherit(parts.live)
            for state in parts.progress.batches:
                fresh.progress.batches.add(state)
            await parts.ownership.leave()
            await fresh.ownership.join()
            self._parts = fresh
            self.is_running = True
            fresh.dispatcher.resume()
            fresh.services.start()

    async def _reborn(self, parts: Parts) -> Parts:
        await self._rejoin(parts)
        return await self._ready()

    async def _ready(self) -> Parts:
        if self._is_stopping:  # and the running tasks are waited for: one that asks must not wait in turn
            raise OrchestratorStopped("the orchestrator is being stopped.", remedy="Start it again.")
        if not self.is_running:
            if not self.config.auto_start:
                raise OrchestratorStopped("the orchestrator is not running.", remedy="Call start() first.")
            await self.start()
        return self._parts

    # tasks

    async def submit_task(self, task: Task, wait: bool = False) -> str | TaskResult:
        """Accept a task; return its id, or with `wait` its result.

        The task is committed to the journal before its id is returned. An orchestrator that is not running is started
        first, unless `auto_start` is off. Raises InvalidPayload, InvalidValue, UnknownDependency, QueueFull,
        DuplicateTaskId, IdempotencyConflict or JournalUnavailable. A failed task raises nothing: its result says so.
        """
        parts = await self._ready()
        try:
            accepted = await parts.submission.task(task)
        except LeaseLost:
            parts = await self._reborn(parts)
            accepted = await parts.submission.task(task)
        return await parts.submission.result(accepted) if wait else accepted.task_id

    async def get_task(self, task_id: str) -> Task | None:
        """Return the newest task with this id, as a copy with its secrets masked, or None."""
        await self._given.journal.open()
        return await self._reading.task(self._parts, task_id)

    async def wait_for(self, task_id: str, timeout: float | None = None) -> TaskResult:  # noqa: ASYNC109
        """Wait for the result of a task; raises NotFound, or TimeoutError after `timeout` seconds."""
        parts = await self._ready()
        entry = parts.live.find(task_id)
        if entry is not None:
            return await asyncio.wait_for(waiter_of(entry), timeout)
        row = await self._given.journal.task(task_id)
        if row is None:
            raise NotFound(f"no task {task_id!r}.", field="task_id")
        task, _ = decode_task(row)
        if row.status.is_final and task.result is not None:
            return task.result
        future = parts.live.watch(row.key, task)
        parts.services.want_claim()
        return await asyncio.wait_for(future, timeout)

    async def cancel_task(self, task_id: str) -> bool:
        """Cancel a task, waiting or running; False if it has ended already, or is another owner's. Raises NotFound."""
        parts = await self._ready()
        entry = parts.live.find(task_id)
        if entry is not None:
            return parts.progress.cancel(entry, "it was cancelled")
        row = await self._given.journal.task(task_id)
        if row is None:
            raise NotFound(f"no task {task_id!r}.", field="task_id")
        return await parts.recovery.cancel([row.key], "it was cancelled") > 0

    def get_task_history(
        self, limit: int = 100, status_filter: TaskStatus | str | None = None, **more: Any
    ) -> list[dict[str, Any]]:
        """Return tasks newest first, in wire form; `more` are further fields of HistoryQuery."""
        try:
            status = TaskStatus(status_filter) if status_filter is not None else None
        except ValueError:
            raise InvalidValue(
                f"{status_filter!r} is not a status.", field="status", remedy=f"Use one of {', '.join(TaskStatus)}."
            ) from None
        return [task.to_dict() for task in self._reading.history(HistoryQuery(limit=limit, status=status, **more))]

    async def failed_tasks(self, limit: int = 100) -> list[Task]:
        """Return the failed tasks that are out of retries, newest first."""
        await self._given.journal.open()
        query = HistoryQuery(limit=limit, exhausted=True)
        return await asyncio.to_thread(self._reading.history, query)

    async def retry_tasks(self, task_ids: Sequence[str]) -> list[str]:
        """Put failed or cancelled tasks back into the queue with no retry used; return the ids of those it did.

        Raises NotFound for an unknown id, before anything is done.
        """
        parts = await self._ready()
        keys: dict[int, str] = {}
        for task_id in task_ids:
            row = await self._given.journal.task(task_id)
            if row is None:
                raise NotFound(f"no task {task_id!r}.", field="task_ids")
            keys[row.key] = task_id
        requeued = await self._given.journal.requeue_failed(keys)
        parts.services.want_claim()
        return [keys[key] for key in requeued]

    # batches

    async def submit_batch(
        self,
        tasks: Sequence[Task],
        execute_parallel: bool = True,
        wait: bool = False,
        *,
        fail_fast: bool = False,
        batch_id: str | None = None,
        name: str | None = None,
    ) -> str | list[TaskResult]:
        """Accept tasks that may depend on each other, in any order; return the batch's id, or with `wait` the results.

        Results are in the order of `tasks`. With `execute_parallel=False` one task runs at a time, in dependency order.
        With `fail_fast` the first failure cancels the rest. `name` is what Prefect's UI shows. Raises as `submit_task`
        does, and CyclicDependency; then nothing was accepted.
        """
        parts = await self._ready()
        options = BatchOptions(execute_parallel=execute_parallel, fail_fast=fail_fast, name=name)
        try:
            state = await parts.submission.batch(tasks, options, batch_id)
        except LeaseLost:
            parts = await self._reborn(parts)
            state = await parts.submission.batch(tasks, options, batch_id)
        if not wait:
            return state.batch.id
        await asyncio.shield(state.done)
        return results_of(state.tasks.values())

    async def get_batch(self, batch_id: str) -> ParallelBatch | None:
        """Return a batch with its tasks as they stand, or None."""
        await self._given.journal.open()
        return await self._reading.batch(self._parts, batch_id)

    async def wait_for_batch(self, batch_id: str, timeout: float | None = None) -> list[TaskResult]:  # noqa: ASYNC109
        """Wait until a batch has ended; raises NotFound, or TimeoutError after `timeout` seconds."""
        parts = await self._ready()
        async with asyncio.timeout(timeout):
            while True:
                state = parts.progress.batches.find(batch_id)
                if state is not None:
                    await asyncio.shield(state.done)
                    return results_of(state.tasks.values())
                batch = await self.get_batch(batch_id)
                if batch is None:
                    raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
                if batch.completed_at is not None:
                    return results_of(batch.tasks)
                for task in batch.tasks:
                    if not task.status.is_final:
                        await self.wait_for(task.id)
                await asyncio.sleep(0.05)

    async def cancel_batch(self, batch_id: str) -> int:
        """Cancel what has not ended of a batch; return how many tasks. Raises NotFound."""
        parts = await self._ready()
        state = parts.progress.batches.find(batch_id)
        cancelled = parts.progress.cancel_batch(state, "the batch was cancelled") if state is not None else 0
        row = await self._given.journal.batch(batch_id)
        if row is None:
            raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
        left = [one.key for one in await self._given.journal.batch_tasks(row.key) if not one.status.is_final]
        return cancelled + await parts.recovery.cancel(left, "the batch was cancelled")

    async def retry_batch(self, batch_id: str) -> list[str]:
        """Run what failed or was cancelled of a batch again, keeping what succeeded; return those tasks' ids.

        Raises NotFound.
        """
        parts = await self._ready()
        row = await self._given.journal.batch(batch_id)
        if row is None:
            raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
        rows = await self._given.journal.batch_tasks(row.key)
        unfinished = {one.key: one.id for one in rows if one.status in (TaskStatus.FAILED, TaskStatus.CANCELLED)}
        requeued = await self._given.journal.requeue_failed(unfinished)
        parts.services.want_claim()
        return [unfinished[key] for key in requeued]

    def _batch_cancelled_in_prefect(self, key: int) -> None:
        state: BatchState | None = self._parts.progress.batches.get(key)
        if state is not None:
            self._parts.progress.cancel_batch(state, "its flow run was cancelled in Prefect")

    def _batch_shown_in_prefect(self, key: int, flow_run_id: str) -> None:
        state = self._parts.progress.batches.get(key)
        if state is not None:
            state.batch.flow_run_id = flow_run_id
        self._parts.progress.spawn(self._given.journal.batch_flow_run(key, flow_run_id))

    # status

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

    def running_tasks(self) -> list[Task]:
        """Return the tasks that run now."""
        return [entry.task for entry in self._parts.dispatcher.active]

    def get_status(self) -> dict[str, Any]:
        """Return the wire form of how the orchestrator stands."""
        return {
            "is_running": self.is_running,
            "uptime_seconds": time.time() - self._started_at if self.is_running and self._started_at else 0.0,
            "metrics": self.metrics,
            "workers": self.worker_registry.get_statistics(),
            "prefect": recording_of(self.engine.status),
        }
