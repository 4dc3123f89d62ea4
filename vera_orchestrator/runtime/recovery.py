"""Claim: take charge of unfinished tasks that nobody owns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from vera_orchestrator.engine.base import Engine
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import DependencyFailed, TaskCancelled, TaskInterrupted, VeraError
from vera_orchestrator.journal.base import Journal, TaskRow
from vera_orchestrator.models import ParallelBatch, Task
from vera_orchestrator.runtime.batches import BatchState
from vera_orchestrator.runtime.capacity import Capacity
from vera_orchestrator.runtime.codec import decode_task, to_datetime, to_seconds
from vera_orchestrator.runtime.entry import Entry, Upstream, group_of
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress, dependency_failed, no_worker_error
from vera_orchestrator.runtime.submission import decode_options, plan_of
from vera_orchestrator.settings import OrchestratorConfig

CLAIM_LIMIT = 1_000
Scope = Callable[[TaskRow], bool]
logger = logging.getLogger(__name__)


class Recovery:
    """Adopts rows without an owner: those of dead processes, of stopped ones, and those that are for others to run.

    `scope` says which rows this process may claim at all.
    """

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        journal: Journal,
        engine: Engine,
        capacity: Capacity,
        live: LiveTasks,
        ownership: Ownership,
        progress: Progress,
        scope: Scope,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._engine = engine
        self._capacity = capacity
        self._live = live
        self._ownership = ownership
        self._progress = progress
        self._scope = scope
        self._unfit_since: dict[int, float] = {}
        self.leftover = 0

    async def claim(self) -> int:
        """Claim what a worker here can run, and what nobody has been able to run for too long; return how many."""
        adopted = 0
        after_key = 0
        unfit: dict[int, float] = {}
        while True:
            rows = await self._journal.unowned(limit=CLAIM_LIMIT, after_key=after_key)
            if not rows:
                break
            after_key = rows[-1].key
            wanted = [row for row in rows if self._scope(row) and await self._is_for_us(row, unfit)]
            if wanted:
                claimed = await self._journal.claim(self._ownership.number, [row.key for row in wanted])
                await self.adopt(claimed)
                adopted += len(claimed)
        self._unfit_since = unfit
        self.leftover = len(unfit)
        return adopted

    async def _is_for_us(self, row: TaskRow, unfit: dict[int, float]) -> bool:
        task, _ = decode_task(row)
        group = group_of(task)
        now = time.monotonic()
        if self._capacity.fitting(group, now):
            return True
        if await self._ownership.fits_elsewhere(group):
            return False
        since = unfit[row.key] = self._unfit_since.get(row.key, now)
        return now - since >= self._settings.recovery_grace_seconds

    async def cancel(self, keys: Collection[int], reason: str) -> int:
        """Cancel those of the tasks that nobody is in charge of; return how many."""
        claimed = await self._journal.claim(self._ownership.number, keys) if keys else ()
        await self.adopt(claimed, TaskCancelled(reason))
        return len(claimed)

    async def adopt(self, rows: Sequence[TaskRow], error: VeraError | None = None) -> None:
        """Take charge of claimed rows; with an error only to end them so."""
        decoded = [(row, self._known(row.key, task), after) for row in rows for task, after in [decode_task(row)]]
        ours = {row.key for row in rows}
        upstream = await self._upstream(ours, [after for _, _, after in decoded])
        await self._adopt_batches({row.batch for row in rows if row.batch is not None})
        await asyncio.gather(
            *(self._count_interruption(row, task) for row, task, _ in decoded if row.status is TaskStatus.RUNNING)
        )
        for row, task, after in decoded:  # at one go: no task may end before those that wait for it are accepted
            state = self._progress.batches.get(row.batch)
            if state is not None:
                state.tasks[row.key] = task
                state.open.add(row.key)
            task.status_reason = None
            entry = Entry(
                key=row.key,
                fence=row.fence,
                owner=self._ownership.number,
                task=task,
                group=group_of(task),
                payload=task.payload,
                entered=max(row.submitted_at, to_seconds(task.scheduled_at) if task.scheduled_at else 0.0),
                batch=row.batch,
                after=after,
                adopted_at=time.monotonic(),
            )
            if error is not None:
                self._progress.accept_ended(entry, error)
            else:
                self._accept(row, entry, upstream, ours)

    def _known(self, key: int, decoded: Task) -> Task:
        """Return the task that somebody here has been watching, brought up to date, else the decoded one."""
        task = self._live.foreign.get(key)
        if task is None:
            return decoded
        task.status, task.result, task.retry_count = decoded.status, None, decoded.retry_count
        task.started_at = task.completed_at = None
        return task

    async def _count_interruption(self, row: TaskRow, task: Task) -> None:
        """Note a broken-off attempt in the journal, so that a task that kills its process does not do so for ever."""
        task.retry_count += 1
        task.status = TaskStatus.QUEUED
        error = f"attempt {task.retry_count} was interrupted"
        await self._journal.requeued(row.key, row.fence, due_at=None, retry_count=task.retry_count, error=error)

    def _accept(self, row: TaskRow, entry: Entry, upstream: dict[int, TaskRow], ours: Collection[int]) -> None:
        unmet: dict[int, bool] = {}
        doom: str | None = None
        for one in entry.after:
            before = upstream.get(one.key)
            if one.key in ours or self._live.get(one.key) is not None:
                unmet[one.key] = one.needs_success
            elif before is None:
                doom = doom or (f"its dependency {one.id} is no longer in the journal" if one.needs_success else None)
            elif not before.status.is_final:
                unmet[one.key] = one.needs_success
            elif one.needs_success and before.status is not TaskStatus.COMPLETED:
                doom = dependency_failed(decode_task(before)[0]).message
        interrupted = row.status is TaskStatus.RUNNING
        # accepted in any case, so that its end is told like any other
        if doom is not None:
            self._progress.accept_ended(entry, DependencyFailed(doom))
        elif interrupted and entry.task.retry_count > entry.task.max_retries:
            self._progress.accept_ended(entry, _interrupted(entry))
        elif not unmet and not self._capacity.fitting(entry.group, time.monotonic()):
            self._progress.accept_ended(entry, no_worker_error(entry))
        else:
            self._progress.accept(entry, unmet=unmet, due_at=row.due_at)

    async def _upstream(self, ours: Collection[int], afters: Iterable[Sequence[Upstream]]) -> dict[int, TaskRow]:
        keys = {one.key for after in afters for one in after} - set(ours)
        return dict(await self._journal.rows(keys)) if keys else {}

    async def _adopt_batches(self, keys: Collection[int]) -> None:
        for key in keys:
            if self._progress.batches.get(key) is not None:
                continue
            row = await self._journal.batch_by_key(key)
            if row is None:
                continue
            keys_of_tasks = [one.key for one in await self._journal.batch_tasks(key)]
            known = await self._journal.rows(keys_of_tasks)  # with the results of those that have ended
            rows = [known[one] for one in keys_of_tasks if one in known]
            options = decode_options(row.options)
            decoded = {one.key: decode_task(one) for one in rows}
            tasks = {one: task for one, (task, _) in decoded.items()}
            batch = ParallelBatch(
                id=row.id,
                tasks=list(tasks.values()),
                execute_parallel=options.execute_parallel,
                fail_fast=options.fail_fast,
                status=TaskStatus.RUNNING,
                submitted_at=to_datetime(row.submitted_at),
            )
            unfinished = {one.key for one in rows if not one.status.is_final}
            state = BatchState(key=key, batch=batch, tasks=tasks, open=unfinished)
            self._progress.batches.add(state)
            self._live.foreign.update({one: task for one, task in tasks.items() if one in unfinished})
            still = [(one, after) for one, (_, after) in decoded.items() if one in unfinished]
            self._engine.open_batch(plan_of(state, still, options.name))


def _interrupted(entry: Entry) -> TaskInterrupted:
    task = entry.task
    return TaskInterrupted(
        f"the process that ran the task died, and {task.max_retries} retries are allowed.",
        remedy="Check what the task did before you submit it again.",
    )
