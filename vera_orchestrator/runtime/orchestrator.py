"""The orchestrator: what can be asked of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from vera_orchestrator.enums import ChunkKind, TaskStatus
from vera_orchestrator.errors import (
    DuplicateTaskId,
    InvalidValue,
    JournalUnavailable,
    LeaseLost,
    NotFound,
    OrchestratorStopped,
)
from vera_orchestrator.journal.records import BatchCounts, BatchQuery, HistoryQuery
from vera_orchestrator.models import ParallelBatch, StreamChunk, Task, TaskResult
from vera_orchestrator.runtime.codec import decode_task
from vera_orchestrator.runtime.history import ONLY_LIVE, HistoryPage, Keyed, as_it_stands, waiting_here
from vera_orchestrator.runtime.parts import Parts
from vera_orchestrator.runtime.progress import results_of
from vera_orchestrator.runtime.reading import BatchDetails, TaskDetails
from vera_orchestrator.runtime.standing import Standing
from vera_orchestrator.runtime.submission import Accepted, BatchOptions
from vera_orchestrator.webhooks import Webhook, webhook_of


class Orchestrator(Standing):
    """Takes tasks, runs each on the best worker, and loses none that it has accepted.

    All coroutines are for one event loop, the one that `start` was called on. What reaches outside is passed in;
    `compose` builds that from settings.
    """

    # tasks

    async def submit_task(self, task: Task, wait: bool = False) -> str | TaskResult:
        """Accept a task; return its id, or with `wait` its result.

        The task is committed to the journal before its id is returned. An orchestrator that is not running is started
        first, unless `auto_start` is off. Raises InvalidPayload, InvalidValue, UnknownDependency, QueueFull,
        DuplicateTaskId, IdempotencyConflict or JournalUnavailable. A failed task raises nothing: its result says so.
        """
        accepted = await self.accept(task)
        return await self.result_of(accepted) if wait else accepted.task_id

    async def accept(self, task: Task) -> Accepted:
        """Accept a task as `submit_task` does; `result_of` waits for it.

        An id may be another task's by the time that its result is asked for: this knows which one was accepted.
        """
        parts = await self._taking()
        try:
            return await parts.submission.task(task)
        except LeaseLost:
            parts = await self._reborn(parts)
            return await parts.submission.task(task)

    async def result_of(self, accepted: Accepted) -> TaskResult:
        """Wait for the result of an accepted task."""
        return await self._parts.submission.result(accepted)

    async def _taking(self) -> Parts:
        if self.is_draining:
            raise OrchestratorStopped(
                "the orchestrator is being drained.", remedy="Submit to another one, or call resume() on this one."
            )
        return await self._ready()

    async def submit_stream(self, task: Task) -> AsyncIterator[StreamChunk]:
        """Accept a task and yield its result in chunks as they come, the last of which holds the whole of it.

        A worker that does not stream gives its text as one chunk. Before its first chunk a task is retried as any
        other; after it a failure is final. A reader that leaves early does not cancel the task. Raises as
        `submit_task` does.
        """
        chunks: asyncio.Queue[StreamChunk | None] = asyncio.Queue()
        parts = await self._taking()
        try:
            accepted = await parts.submission.task(task, chunks.put_nowait)
        except LeaseLost:
            parts = await self._reborn(parts)
            accepted = await parts.submission.task(task, chunks.put_nowait)
        ending = asyncio.ensure_future(parts.submission.result(accepted))
        ending.add_done_callback(lambda _: chunks.put_nowait(None))
        try:
            has_text = False
            while (chunk := await chunks.get()) is not None:
                has_text = has_text or chunk.kind is ChunkKind.TEXT
                yield chunk
            result = await ending
            if result.success and isinstance(result.data, str) and not has_text:
                yield StreamChunk(kind=ChunkKind.TEXT, text=result.data)
            yield StreamChunk(kind=ChunkKind.END, result=result)
        finally:
            ending.cancel()

    async def get_task(self, task_id: str, *, caller: str | None = None) -> Task | None:
        """Return the newest task with this id, as a copy with its secrets masked, or None.

        With `caller`, the id of a key, it is the newest of those that came with that key.
        """
        await self._given.journal.open()
        return await self._reading.task(self._parts, task_id, caller)

    async def get_task_details(self, task_id: str) -> TaskDetails | None:
        """Return the same with its attempts, its routing and its record in Prefect, or None."""
        await self._given.journal.open()
        return await self._reading.details(self._parts, task_id)

    async def wait_for(self, task_id: str, timeout: float | None = None) -> TaskResult:  # noqa: ASYNC109
        """Wait for the result of a task; raises NotFound, or TimeoutError after `timeout` seconds.

        This and what else is asked about accepted tasks raises OrchestratorStopped if it is not running.
        """
        parts = await self._ready(may_start=False)
        entry = parts.live.find(task_id)
        if entry is not None:
            return await asyncio.wait_for(parts.live.waiter(entry), timeout)
        row = await self._given.journal.task(task_id)
        if row is None:
            raise NotFound(f"no task {task_id!r}.", field="task_id")
        task, _ = decode_task(row)
        if row.status.is_final and task.result is not None:
            return task.result
        parts = self._parts  # others, if it has begun anew meanwhile
        entry = parts.live.get(row.key)
        future = parts.live.waiter(entry) if entry is not None else parts.live.watch(row.key, task)
        parts.services.want_claim()
        return await asyncio.wait_for(future, timeout)

    async def cancel_task(self, task_id: str) -> bool:
        """Cancel a task, waiting or running, here or elsewhere; False if it has ended already.

        Raises NotFound, or JournalUnavailable: then it may go on.
        """
        parts = await self._ready(may_start=False)
        entry = parts.live.find(task_id)
        if entry is not None:
            if not parts.progress.cancel(entry, "it was cancelled"):
                return False
            await self._given.journal.ask_to_cancel([entry.key], "it was cancelled")  # whoever runs it after us, too
            return True
        row = await self._given.journal.task(task_id)
        if row is None:
            raise NotFound(f"no task {task_id!r}.", field="task_id")
        return await self._cancel_by_key(parts, [row.key], "it was cancelled") > 0

    async def _cancel_by_key(self, parts: Parts, keys: Sequence[int], reason: str) -> int:
        try:
            return await parts.recovery.cancel(keys, reason)
        except LeaseLost:
            parts = await self._reborn(parts)
            return await parts.recovery.cancel(keys, reason)

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
        page = self.list_tasks(HistoryQuery(limit=limit, status=status, **more))
        return [task.to_dict() for task in page.tasks]

    def list_tasks(self, query: HistoryQuery) -> HistoryPage:
        """Return a page of tasks, newest first, as they stand; blocks for a moment."""
        limit = max(0, query.limit)
        found = self._history(dataclasses.replace(query, limit=limit + 1))
        return HistoryPage.of([(key, as_it_stands(self._parts, key, task, query)) for key, task in found], limit)

    def _history(self, query: HistoryQuery) -> list[Keyed]:
        if query.status in ONLY_LIVE:
            return waiting_here(self._parts, query)
        try:
            return self._reading.history(query)
        except JournalUnavailable:
            if self._is_started or self._changing.locked():
                raise
        with ThreadPoolExecutor(1) as thread:  # opening needs an event loop, and the caller's cannot turn meanwhile
            return thread.submit(asyncio.run, self._history_when_stopped(query)).result()

    async def _history_when_stopped(self, query: HistoryQuery) -> list[Keyed]:
        journal = self._given.journal
        await journal.open()
        try:
            return self._reading.history(query)
        finally:
            await journal.close()

    async def failed_tasks(self, limit: int = 100) -> list[Task]:
        """Return the failed tasks that are out of retries, newest first."""
        await self._given.journal.open()
        query = HistoryQuery(limit=limit, exhausted=True)
        return [task for _, task in await asyncio.to_thread(self._reading.history, query)]

    async def retry_tasks(self, task_ids: Sequence[str]) -> list[str]:
        """Put failed or cancelled tasks back into the queue with no retry used; return the ids of those it did.

        Raises NotFound for an unknown id, before anything is done.
        """
        parts = await self._ready(may_start=False)
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
        idempotency_key: str | None = None,
        webhook: Webhook | Mapping[str, Any] | None = None,
    ) -> str | list[TaskResult]:
        """Accept tasks that may depend on each other, in any order; return the batch's id, or with `wait` the results.

        Results are in the order of `tasks`. With `execute_parallel=False` one task runs at a time, in dependency order.
        With `fail_fast` the first failure cancels the rest. `name` is what Prefect's UI shows, `webhook` ({url,
        secret}) is told of its end. The same batch again with one `idempotency_key` is not accepted twice: the earlier
        one is answered with. Raises as `submit_task` does (DuplicateTaskId also if a batch with this id has not ended),
        and CyclicDependency; then nothing was accepted.
        """
        parts = await self._taking()
        options = BatchOptions(
            execute_parallel=execute_parallel, fail_fast=fail_fast, name=name, webhook=webhook_of(webhook)
        )
        with self._only_batch(batch_id):
            if idempotency_key is None:  # else the journal finds out which comes first
                await self._check_batch_id(batch_id)
            try:
                state = await parts.submission.batch(tasks, options, batch_id, idempotency_key)
            except LeaseLost:
                parts = await self._reborn(parts)
                state = await parts.submission.batch(tasks, options, batch_id, idempotency_key)
        if isinstance(state, str):
            return await self.wait_for_batch(state) if wait else state
        if not wait:
            return state.batch.id
        await asyncio.shield(state.done)
        return results_of(state.tasks.values())

    @contextmanager
    def _only_batch(self, batch_id: str | None) -> Generator[None]:
        """Keep an id to one submission at a time; raises DuplicateTaskId."""
        if batch_id is None:
            yield
            return
        if batch_id in self._coming_batches:
            raise _duplicate_batch(batch_id)
        self._coming_batches.add(batch_id)
        try:
            yield
        finally:
            self._coming_batches.discard(batch_id)

    async def _check_batch_id(self, batch_id: str | None) -> None:
        if batch_id is None:
            return
        if self._parts.progress.batches.find(batch_id) is not None:
            raise _duplicate_batch(batch_id)
        row = await self._given.journal.batch(batch_id)
        if row is None or row.completed_at is not None:
            return
        if not all(one.status.is_final for one in await self._given.journal.batch_tasks(row.key)):
            raise _duplicate_batch(batch_id)

    async def get_batch(self, batch_id: str) -> ParallelBatch | None:
        """Return a batch with its tasks as they stand, or None."""
        await self._given.journal.open()
        return await self._reading.batch(self._parts, batch_id)

    async def get_batch_details(self, batch_id: str) -> BatchDetails | None:
        """Return the same with the messages to its webhook, or None."""
        await self._given.journal.open()
        return await self._reading.batch_details(self._parts, batch_id)

    async def list_batches(self, query: BatchQuery | None = None) -> Sequence[BatchCounts]:
        """Return batches newest first, each with the number of its tasks by status."""
        await self._given.journal.open()
        return await self._given.journal.batches(query or BatchQuery())

    async def wait_for_batch(self, batch_id: str, timeout: float | None = None) -> list[TaskResult]:  # noqa: ASYNC109
        """Wait until a batch has ended; raises NotFound, or TimeoutError after `timeout` seconds."""
        parts = await self._ready(may_start=False)
        async with asyncio.timeout(timeout):
            while True:
                state = parts.progress.batches.find(batch_id)
                if state is not None:
                    await asyncio.shield(state.done)
                    return results_of(state.tasks.values())
                batch = await self.get_batch(batch_id)
                if batch is None:
                    raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
                if batch.completed_at is not None or all(task.status.is_final for task in batch.tasks):
                    return results_of(batch.tasks)
                for task in batch.tasks:
                    if not task.status.is_final:
                        await self.wait_for(task.id)
                await asyncio.sleep(0.05)

    async def cancel_batch(self, batch_id: str) -> int:
        """Cancel what has not ended of a batch; return how many tasks. Raises NotFound."""
        parts = await self._ready(may_start=False)
        state = parts.progress.batches.find(batch_id)
        cancelled = parts.progress.cancel_batch(state, "the batch was cancelled") if state is not None else 0
        row = await self._given.journal.batch(batch_id)
        if row is None:
            raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
        if state is not None:
            await self._given.journal.ask_to_cancel(state.open, "the batch was cancelled")
        else:
            left = [one.key for one in await self._given.journal.batch_tasks(row.key) if not one.status.is_final]
            cancelled = await self._cancel_by_key(parts, left, "the batch was cancelled")
        return cancelled

    async def retry_batch(self, batch_id: str) -> list[str]:
        """Run what failed or was cancelled of a batch again, keeping what succeeded; return those tasks' ids.

        Raises NotFound.
        """
        parts = await self._ready(may_start=False)
        row = await self._given.journal.batch(batch_id)
        if row is None:
            raise NotFound(f"no batch {batch_id!r}.", field="batch_id")
        rows = await self._given.journal.batch_tasks(row.key)
        unfinished = {one.key: one.id for one in rows if one.status in (TaskStatus.FAILED, TaskStatus.CANCELLED)}
        requeued = await self._given.journal.requeue_failed(unfinished)
        parts.services.want_claim()
        return [unfinished[key] for key in requeued]


def _duplicate_batch(batch_id: str) -> DuplicateTaskId:
    return DuplicateTaskId(
        f"the batch {batch_id!r} has not ended.",
        field="batch_id",
        remedy="Give another id, or wait for it with wait_for_batch or cancel it with cancel_batch first.",
    )
