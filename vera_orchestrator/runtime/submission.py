"""Submit and journal: nothing is acknowledged before it is committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import orjson

from vera_orchestrator.engine.base import BatchPlan, Engine, Label
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import (
    IdempotencyConflict,
    InvalidBatch,
    InvalidPayload,
    InvalidValue,
    NotAllowed,
    QueueFull,
)
from vera_orchestrator.http.addresses import check_written_address, endpoints
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import BatchRow, TaskRow
from vera_orchestrator.models import ParallelBatch, StreamChunk, Task, TaskResult
from vera_orchestrator.runtime.batches import BatchState
from vera_orchestrator.runtime.codec import decode_task, to_datetime
from vera_orchestrator.runtime.entry import Entry, Upstream, run_name
from vera_orchestrator.runtime.intake import (
    Draft,
    Intake,
    batch_edges,
    is_batch_key,
    unknown_dependency,
    with_batch_key,
)
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.webhooks import Webhook

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """An accepted task: a future for its result, or the row of an earlier one with the same idempotency key."""

    task_id: str
    waiter: asyncio.Future[TaskResult] | None = None
    existing: TaskRow | None = None


class Submission:
    """Takes tasks and batches in."""

    def __init__(
        self,
        *,
        settings: OrchestratorConfig,
        journal: Journal,
        engine: Engine,
        intake: Intake,
        live: LiveTasks,
        ownership: Ownership,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._engine = engine
        self._intake = intake
        self._live = live
        self._ownership = ownership
        self._progress = progress
        self._coming = 0
        self.submitted = 0

    async def task(self, task: Task, listener: Callable[[StreamChunk], None] | None = None) -> Accepted:
        """Accept one task, which may depend on earlier ones by their ids; `listener` gets the chunks of its answer.

        Raises InvalidPayload, InvalidValue, UnknownDependency, QueueFull, DuplicateTaskId or IdempotencyConflict.
        """
        self._check(task)
        self._check_webhook(task.webhook)
        with self._room(1):
            after, unmet = await self._dependencies_of(task) if task.depends_on or task.depends_on_any else ((), {})
            draft = self._draft(task, _now(), after)
            draft.entry.listener = listener
            return await self._in_any_case((draft,), self._commit_task(task, draft, unmet))

    async def _commit_task(self, task: Task, draft: Draft, unmet: dict[int, bool]) -> Accepted:
        since = draft.row.submitted_at - self._settings.idempotency_ttl_seconds
        with self._ahead(task, draft) as has_begun:
            added = await self._journal.add((draft.row,), idempotent_since=since, hurries=draft.entry.accepted is None)
            if added.existing is not None:
                return Accepted(task_id=added.existing.id, existing=added.existing)
            self.submitted += 1
            if not has_begun:
                self._intake.begin(task, draft.row.submitted_at)
            waiter = waiter_of(draft.entry)  # now: the task may have ended before the caller goes on
            self._progress.accept(draft.entry, unmet=unmet, due_at=draft.row.due_at)
            return Accepted(task_id=task.id, waiter=waiter)

    @contextmanager
    def _ahead(self, task: Task, draft: Draft) -> Generator[bool]:
        """Look for a worker while a task is being committed, if nothing but the journal can be against it.

        What is written for its start is queued behind the task itself. Yields whether the task is in the state in which
        every task begins.
        """
        row, entry = draft.row, draft.entry
        is_plain = row.idempotency_key is None and row.due_at is None and not entry.after
        is_new = task.submitted_at is None and self._live.find(task.id) is None
        if not is_plain or not is_new or self._ownership.is_draining:
            yield False
            return
        self._intake.begin(task, row.submitted_at)  # now: the worker is given a copy
        self._progress.dispatcher.start_ahead(entry)
        is_accepted = False
        try:
            yield True
            is_accepted = True
        finally:
            if not is_accepted:
                task.status, task.submitted_at = TaskStatus.PENDING, None
            if entry.accepted is not None:
                entry.accepted.set_result(is_accepted)

    async def _in_any_case(self, drafts: Sequence[Draft], step: Coroutine[Any, Any, T]) -> T:
        """Finish a step although its caller goes away: what is committed must be taken charge of."""
        task = asyncio.create_task(self._arriving(drafts, step))
        unsettled = self._progress.dispatcher.unsettled
        unsettled.add(task)
        task.add_done_callback(unsettled.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_unheeded)
            raise

    async def _arriving(self, drafts: Sequence[Draft], step: Coroutine[Any, Any, T]) -> T:
        with self._ownership.arriving([draft.row.key for draft in drafts]):
            return await step

    async def batch(
        self,
        tasks: Sequence[Task],
        options: BatchOptions,
        batch_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> BatchState | str:
        """Accept a batch, all of it or nothing; return the id of an earlier one with its idempotency key instead.

        Raises what `task` raises, and CyclicDependency. An empty list is an InvalidBatch.
        """
        if not tasks:
            raise InvalidBatch("the batch has no tasks.", field="tasks", remedy="Give at least one task.")
        for task in tasks:
            self._check(task)
        self._check_webhook(options.webhook)
        for number, task in enumerate(tasks):
            self._check_webhook(task.webhook, within=f"tasks.{number}.")
        _check_keys(tasks)
        edges = batch_edges(tasks, in_order=not options.execute_parallel)
        now = _now()
        batch = ParallelBatch(
            id=batch_id or str(uuid4()),
            tasks=list(tasks),
            execute_parallel=options.execute_parallel,
            fail_fast=options.fail_fast,
            webhook=options.webhook,
            name=options.name,
            status=TaskStatus.RUNNING,
            submitted_at=to_datetime(now),
        )
        key = self._ownership.new_key()
        kept = replace(options, webhook=self._intake.sealed(options.webhook))
        row = BatchRow(key=key, id=batch.id, options=orjson.dumps(kept).decode(), submitted_at=now)
        with self._room(len(tasks)):
            drafts = self._drafts(tasks, edges, batch, key, now)
            if idempotency_key is not None:
                drafts = with_batch_key(drafts, idempotency_key, orjson.dumps(options).decode())
            return await self._in_any_case(drafts, self._commit_batch(batch, drafts, row, options))

    async def _commit_batch(
        self, batch: ParallelBatch, drafts: Sequence[Draft], row: BatchRow, options: BatchOptions
    ) -> BatchState | str:
        key, now, tasks = row.key, row.submitted_at, batch.tasks
        since = now - self._settings.idempotency_ttl_seconds
        added = await self._journal.add([draft.row for draft in drafts], row, idempotent_since=since)
        if added.existing is not None:
            earlier = added.existing
            if earlier.batch is not None and is_batch_key(earlier.idempotency_key):
                found = await self._journal.batch_by_key(earlier.batch)
                if found is not None:
                    return found.id
            raise IdempotencyConflict(
                f"an earlier task, {earlier.id!r}, has one of the batch's idempotency keys.",
                field="idempotency_key",
                remedy="Nothing was accepted. Leave that task out, or give it another key.",
            )
        self.submitted += len(drafts)
        state = BatchState(
            key=key,
            batch=batch,
            tasks={draft.row.key: draft.entry.task for draft in drafts},
            open={draft.row.key for draft in drafts},
        )
        self._progress.batches.add(state)
        self._engine.open_batch(
            plan_of(state, [(draft.entry.key, draft.entry.after) for draft in drafts], options.name)
        )
        for task in tasks:
            self._intake.begin(task, now, batch.id)
        for draft in drafts:
            unmet = {upstream.key: upstream.needs_success for upstream in draft.entry.after}
            self._progress.accept(draft.entry, unmet=unmet, due_at=draft.row.due_at)
        return state

    def _drafts(
        self, tasks: Sequence[Task], edges: dict[str, dict[str, bool]], batch: ParallelBatch, key: int, now: float
    ) -> list[Draft]:
        keys = {task.id: self._ownership.new_key() for task in tasks}
        drafts: list[Draft] = []
        for position, task in enumerate(tasks):
            declared = {*task.depends_on, *task.depends_on_any}
            after = [
                Upstream(keys[one], needs_success, one if one in declared else "")
                for one, needs_success in edges[task.id].items()
            ]
            drafts.append(self._draft(task, now, after, keys[task.id], key, batch.id, position))
        return drafts

    def _draft(
        self,
        task: Task,
        now: float,
        after: Sequence[Upstream],
        key: int | None = None,
        batch: int | None = None,
        batch_id: str | None = None,
        position: int = 0,
    ) -> Draft:
        return self._intake.draft(
            task,
            key=self._ownership.new_key() if key is None else key,
            owner=self._ownership.number,
            now=now,
            after=after,
            batch=batch,
            batch_id=batch_id,
            position=position,
        )

    def _check(self, task: Task) -> None:
        self._intake.check(task)
        budgets = self._settings.llm_budgets
        if task.budget is not None and task.budget not in budgets:
            known = f"Use one of {', '.join(sorted(budgets))}, or add" if budgets else "Add"
            raise InvalidValue(
                f"there is no budget {task.budget!r}.", field="budget", remedy=f"{known} it to the setting llm_budgets."
            )

    def _check_webhook(self, webhook: Webhook | None, within: str = "") -> None:
        """Raise InvalidPayload for an address that is seen to be forbidden; a name is looked up when it is called."""
        if webhook is None:
            return
        try:
            check_written_address(webhook.url, endpoints(self._settings.http_allow))
        except NotAllowed as error:
            raise InvalidPayload(error.message, field=f"{within}webhook.url", remedy=error.remedy) from None
        except httpx.InvalidURL as error:
            raise InvalidPayload(f"{error}.", field=f"{within}webhook.url", remedy="Give https://host/path.") from None

    @contextmanager
    def _room(self, count: int) -> Generator[None]:
        """Keep room for tasks until they are accepted; raises QueueFull."""
        waiting = len(self._live) - len(self._progress.dispatcher.active) + self._coming
        if waiting + count > self._settings.max_queued_tasks:
            raise QueueFull(
                f"{waiting:,} tasks wait already, {self._settings.max_queued_tasks:,} may.",
                remedy="Submit again later, or raise max_queued_tasks (VERA_MAX_QUEUED_TASKS).",
                retry_after=1.0,
            )
        self._coming += count
        try:
            yield
        finally:
            self._coming -= count

    async def _dependencies_of(self, task: Task) -> tuple[list[Upstream], dict[int, bool]]:
        """Return what a single task waits for, and the part of it that has not ended.

        What has ended badly is left unmet, and reported as a foreign end at once.
        """
        after: list[Upstream] = []
        unmet: dict[int, bool] = {}
        for task_id, needs_success in {
            **dict.fromkeys(task.depends_on_any, False),
            **dict.fromkeys(task.depends_on, True),
        }.items():
            entry = self._live.find(task_id)
            if entry is not None:
                after.append(Upstream(entry.key, needs_success, task_id))
                unmet[entry.key] = needs_success
                continue
            row = await self._journal.task(task_id)
            if row is None:
                raise unknown_dependency(task, task_id)
            after.append(Upstream(row.key, needs_success, task_id))
            if row.status is not TaskStatus.COMPLETED and (needs_success or not row.status.is_final):
                unmet[row.key] = needs_success
        return after, unmet

    async def result(self, accepted: Accepted) -> TaskResult:
        """Wait for the result of an accepted task."""
        if accepted.waiter is not None:
            return await accepted.waiter
        row = accepted.existing
        assert row is not None
        entry = self._live.get(row.key)
        if entry is not None:
            return await self._live.waiter(entry)
        earlier, _ = decode_task(row)
        if row.status.is_final and earlier.result is not None:
            return earlier.result
        future = self._live.watch(row.key, earlier)
        self._progress.look_elsewhere()
        return await future


def _now() -> float:
    """Return the time to the microsecond, as it is shown: so that what is shown can be asked for."""
    return round(time.time(), 6)


def _unheeded(step: asyncio.Task[Any]) -> None:
    """Take what a step raised whose caller has gone away."""
    if not step.cancelled():
        step.exception()


def _check_keys(tasks: Sequence[Task]) -> None:
    seen: set[str] = set()
    for key in (task.idempotency_key for task in tasks if task.idempotency_key is not None):
        if key in seen:
            raise InvalidBatch(f"two tasks have {key!r}.", field="idempotency_key", remedy="Give each its own.")
        seen.add(key)


def waiter_of(entry: Entry) -> asyncio.Future[TaskResult]:
    """Return a future for the result of an unfinished task."""
    future: asyncio.Future[TaskResult] = asyncio.get_running_loop().create_future()
    entry.waiters.append(future)
    return future


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """How a batch was submitted."""

    execute_parallel: bool = True
    fail_fast: bool = False
    name: str | None = None
    webhook: Webhook | None = None


def decode_options(text: str) -> BatchOptions:
    """Return a batch's options from their JSON text; the secret of its webhook is still sealed."""
    given: dict[str, Any] = orjson.loads(text)
    webhook = given.pop("webhook", None)
    return BatchOptions(**given, webhook=Webhook(**webhook) if webhook else None)


def plan_of(state: BatchState, open_tasks: Sequence[tuple[int, Sequence[Upstream]]], name: str | None) -> BatchPlan:
    """Return a batch as its record shows it: its open tasks by row key, with what they wait for."""
    tasks = [(key, state.tasks[key]) for key, _ in open_tasks]
    labels = [Label(type=str(task.type), name=run_name(task), key=key, batch=state.key) for key, task in tasks]
    edges = {key: [upstream.key for upstream in after] for key, after in open_tasks}
    return BatchPlan(key=state.key, id=state.batch.id, name=name or state.batch.id, labels=labels, edges=edges)
