"""Tasks and batches as a reader sees them, live or from the journal. Secrets are masked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.ledger import Kept
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.journal.records import HistoryQuery, TaskRow
from vera_orchestrator.models import ParallelBatch, Task
from vera_orchestrator.runtime.batches import BatchState, batch_status
from vera_orchestrator.runtime.codec import legible_task, to_datetime
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.history import Keyed
from vera_orchestrator.runtime.parts import Parts
from vera_orchestrator.runtime.submission import decode_options
from vera_orchestrator.secrets import mask


@dataclass(frozen=True, kw_only=True)
class TaskDetails:
    """A task with what is known beside it.

    `key` is that of its row, `uses` are the attempts that the ledger knows, `considered` says of each worker why it is
    taken or not as long as the task waits here, and `flow_run_id` names the run of its batch. `messages` are those to
    its webhook.
    """

    task: Task
    key: int
    uses: Sequence[Kept] = ()
    considered: Mapping[str, str] = field(default_factory=dict[str, str])
    flow_run_id: str | None = None
    messages: Sequence[Delivery] = ()


@dataclass(frozen=True, kw_only=True)
class BatchDetails:
    """A batch, and the messages to its webhook."""

    batch: ParallelBatch
    messages: Sequence[Delivery] = ()


class Reading:
    """Reads tasks, batches and the history."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def task(self, parts: Parts, task_id: str, caller: str | None = None) -> Task | None:
        """Return the newest task with an id, as a copy, or None; with `caller` of those that are its own."""
        entry = parts.live.find(task_id)
        if entry is not None and caller in (None, entry.task.caller):
            return self._as_shown(parts, entry)
        row = await self._journal.task(task_id, caller=caller)
        return shown(row) if row is not None else None

    @staticmethod
    def _as_shown(parts: Parts, entry: Entry) -> Task:
        status, reason = parts.dispatcher.explain(entry)
        task = entry.task
        return dataclasses.replace(task, payload=mask(task.payload), status=status, status_reason=reason)

    async def details(self, parts: Parts, task_id: str) -> TaskDetails | None:
        """Return the newest task with an id and what is known beside it, or None."""
        entry = parts.live.find(task_id)
        if entry is not None:
            task, key, batch, considered = self._as_shown(parts, entry), entry.key, entry.batch, entry.considered
        else:
            row = await self._journal.task(task_id)
            if row is None:
                return None
            task, key, batch, considered = shown(row), row.key, row.batch, {}
        record = await self._journal.batch_by_key(batch) if batch is not None else None
        return TaskDetails(
            task=task,
            key=key,
            uses=await self._journal.ledger.kept(key),
            considered=dict(considered),
            flow_run_id=record.flow_run_id if record is not None else None,
            messages=await self._journal.outbox.of(key) if task.webhook is not None else (),
        )

    async def batch(self, parts: Parts, batch_id: str) -> ParallelBatch | None:
        """Return a batch with all of its tasks, or None."""
        found = await self._batch(parts, batch_id)
        return found[1] if found is not None else None

    async def batch_details(self, parts: Parts, batch_id: str) -> BatchDetails | None:
        """Return the same with what is known beside it, or None."""
        found = await self._batch(parts, batch_id)
        if found is None:
            return None
        key, batch = found
        return BatchDetails(
            batch=batch, messages=await self._journal.outbox.of(key) if batch.webhook is not None else ()
        )

    async def _batch(self, parts: Parts, batch_id: str) -> tuple[int, ParallelBatch] | None:
        state = parts.progress.batches.find(batch_id)
        if state is not None:
            elsewhere = [key for key in state.open if parts.live.get(key) is None]
            return state.key, live_batch(state, await self._journal.rows(elsewhere) if elsewhere else {})
        row = await self._journal.batch(batch_id)
        if row is None:
            return None
        keys = [one.key for one in await self._journal.batch_tasks(row.key)]
        rows = await self._journal.rows(keys)
        tasks = [shown(rows[key]) for key in keys if key in rows]
        options = decode_options(row.options)
        return row.key, ParallelBatch(
            id=row.id,
            tasks=tasks,
            execute_parallel=options.execute_parallel,
            fail_fast=options.fail_fast,
            name=options.name,
            webhook=options.webhook,
            status=row.status if row.completed_at is not None else batch_status(tasks),
            submitted_at=to_datetime(row.submitted_at),
            completed_at=to_datetime(row.completed_at),
            flow_run_id=row.flow_run_id,
        )

    def history(self, query: HistoryQuery) -> list[Keyed]:
        """Return tasks with their keys, newest first; blocks for a moment."""
        return [(row.key, shown(row)) for row in self._journal.history(query)]


def live_batch(state: BatchState, elsewhere: Mapping[int, TaskRow]) -> ParallelBatch:
    """Return a batch that goes on, as it stands; of tasks that another owner has the rows say more."""
    tasks = [
        shown(elsewhere[key]) if key in elsewhere else dataclasses.replace(task, payload=mask(task.payload))
        for key, task in state.tasks.items()
    ]
    return dataclasses.replace(state.batch, tasks=tasks, status=batch_status(tasks))


def shown(row: TaskRow) -> Task:
    """Return the task of a row, for display."""
    task = legible_task(row)
    task.payload = mask(task.payload)
    return task
