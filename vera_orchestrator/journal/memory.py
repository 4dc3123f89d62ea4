"""The journal in plain dictionaries: the whole port, for tests and for use without a disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import refusals, storable
from vera_orchestrator.journal.access import Access
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.ledger import Ledger
from vera_orchestrator.journal.memory_access import MemoryAccess
from vera_orchestrator.journal.memory_changes import Change, begun, completed, given_up, put_back
from vera_orchestrator.journal.memory_done import done
from vera_orchestrator.journal.memory_ledger import MemoryLedger
from vera_orchestrator.journal.memory_outbox import MemoryOutbox
from vera_orchestrator.journal.memory_owners import OwnerTable
from vera_orchestrator.journal.memory_slots import SlotTable
from vera_orchestrator.journal.memory_tasks import TaskTable, afresh, matches, newest
from vera_orchestrator.journal.outbox import Delivery, Outbox
from vera_orchestrator.journal.records import (
    Added,
    BatchCounts,
    BatchQuery,
    BatchRow,
    Counts,
    Ending,
    HistoryQuery,
    News,
    OwnerRow,
    TaskRow,
    WorkerRow,
)
from vera_orchestrator.journal.rows import batch_values, task_values

T = TypeVar("T")


class MemoryJournal(Journal):
    """The port while the object lives, also after `close`; `now` is the ledger's clock, in seconds since 1970."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._is_open = False
        self._owners = OwnerTable()
        self._ledger = MemoryLedger(now, check_open=self._check_open, check_owner=self._owners.check)
        self._access = MemoryAccess(self._check_open)
        self._outbox = MemoryOutbox(self._check_open)
        self._tasks = TaskTable()
        self._batches: dict[int, BatchRow] = {}
        self._cancellations: dict[int, str] = {}
        self._slots = SlotTable()

    # life of the store

    async def open(self) -> None:
        """See the port."""
        self._is_open = True

    async def close(self) -> None:
        """See the port."""
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise refusals.closed()

    def _done(self, work: Callable[[], T]) -> Awaitable[T]:
        return done(self._check_open, work)

    # news

    async def listen(self, told: Callable[[News], None]) -> None:
        """See the port; no other process can write here."""

    @property
    def is_listening(self) -> bool:
        """See the port."""
        return False

    # owners

    async def join(
        self, *, host: str, pid: int, alive_file: str | None, lease_seconds: float, seal: str | None = None
    ) -> int:
        """See the port."""
        self._check_open()
        return self._owners.join(host=host, pid=pid, alive_file=alive_file, lease_seconds=lease_seconds, seal=seal)

    async def renew(self, owner: int, lease_seconds: float) -> bool:
        """See the port."""
        self._check_open()
        return self._owners.renew(owner, lease_seconds)

    async def owners(self) -> Sequence[OwnerRow]:
        """See the port."""
        self._check_open()
        return self._owners.rows()

    async def remove_owner(self, owner: int) -> int:
        """See the port."""
        self._check_open()
        self._owners.remove(owner)
        self._slots.release_owner(owner)
        self._ledger.estimate_owner(owner)
        left = [row for row in self._tasks.unfinished() if row.owner == owner]
        for row in left:
            self._tasks.put(replace(row, owner=None, fence=row.fence + 1))
        return len(left)

    async def set_workers(self, owner: int, workers: Sequence[WorkerRow]) -> None:
        """See the port; raises LeaseLost if the owner was removed."""
        self._check_open()
        self._owners.set_workers(owner, workers)

    async def workers(self) -> Sequence[WorkerRow]:
        """See the port."""
        self._check_open()
        return self._owners.workers()

    # tasks, on the hot path

    def hurry(self) -> None:
        """See the port; nothing is put off."""

    def add(
        self,
        tasks: Sequence[TaskRow],
        batch: BatchRow | None = None,
        *,
        idempotent_since: float = 0,
        hurries: bool = True,
    ) -> Awaitable[Added]:
        """See the port; raises LeaseLost for rows of an owner that was removed."""
        return self._done(lambda: self._add(tasks, batch, idempotent_since))

    def _add(self, tasks: Sequence[TaskRow], batch: BatchRow | None, since: float) -> Added:
        for row in tasks:
            storable.check(task_values(row))
        if batch is not None:
            storable.check_key("batch_id", batch.id)
            storable.check(batch_values(batch))
        earlier = self._tasks.earlier(tasks, since)
        if earlier is not None:
            return Added(existing=earlier)
        for row in tasks:
            if row.owner is not None:
                self._owners.check(row.owner)
        if batch is not None:
            self._check_batch_id(batch.id)
        self._tasks.check_new(tasks)
        if batch is not None and batch.key in self._batches:
            raise refusals.duplicate(())
        for row in tasks:
            self._tasks.put(row)
        if batch is not None:
            self._batches[batch.key] = batch
        return Added()

    def _check_batch_id(self, batch_id: str) -> None:
        same = {row.key for row in self._batches.values() if row.id == batch_id}
        if self._tasks.are_going_on(same):
            raise refusals.duplicate_batch(batch_id)

    def _change(self, key: int, fence: int, change: Change, *, releases: bool) -> bool:
        done = self._tasks.change(key, fence, change)
        if done and releases:
            self._slots.release(key)
        return done

    def started(self, key: int, fence: int, *, at: float, worker_id: str, hurries: bool = True) -> Awaitable[bool]:
        """See the port."""
        return self._done(lambda: self._change(key, fence, begun(at, worker_id), releases=False))

    def ended(self, ending: Ending) -> Awaitable[bool]:
        """See the port; what the ending leaves at None of start and worker stays as it is."""
        return self._done(lambda: self._end(ending))

    def _end(self, ending: Ending) -> bool:
        is_done = self._change(ending.key, ending.fence, completed(ending), releases=True)
        if is_done and ending.delivery is not None:
            self._outbox.add(ending.delivery)
        return is_done

    def requeued(
        self, key: int, fence: int, *, due_at: float | None, retry_count: int, error: str | None
    ) -> Awaitable[bool]:
        """See the port."""
        return self._done(lambda: self._change(key, fence, put_back(due_at, retry_count, error), releases=True))

    def give_up(self, rows: Mapping[int, int]) -> Awaitable[int]:
        """See the port; their slots are released."""
        return self._done(lambda: sum(self._change(key, fence, given_up, releases=True) for key, fence in rows.items()))

    # cancelling what another owner has

    async def ask_to_cancel(self, keys: Collection[int], reason: str) -> int:
        """See the port."""
        self._check_open()
        storable.check({"reason": reason})
        going_on = [row.key for row in self._tasks.unfinished() if row.key in set(keys)]
        for key in going_on:
            self._cancellations.setdefault(key, reason)
        return len(going_on)

    async def asked_to_cancel(self, owner: int | None) -> Mapping[int, str]:
        """See the port."""
        self._check_open()
        asked = {key: self._tasks.rows[key] for key in self._cancellations if key in self._tasks.rows}
        return {
            key: self._cancellations[key]
            for key, row in asked.items()
            if row.owner == owner and row.completed_at is None
        }

    # claiming

    async def owned(self, owner: int, *, limit: int, after_key: int = 0) -> Sequence[TaskRow]:
        """See the port."""
        self._check_open()
        found = [row for row in self._tasks.unfinished() if row.owner == owner and row.key > after_key]
        return [replace(row, result=None) for row in found[: max(0, limit)]]

    async def unowned(
        self, *, limit: int, after_key: int = 0, types: Collection[str] | None = None
    ) -> Sequence[TaskRow]:
        """See the port."""
        self._check_open()
        found = (row for row in self._tasks.unfinished() if row.owner is None and row.key > after_key)
        return [row for row in found if types is None or row.type in types][: max(0, limit)]

    async def claim(self, owner: int, keys: Collection[int]) -> Sequence[TaskRow]:
        """See the port; raises LeaseLost if the owner was removed."""
        self._check_open()
        self._owners.check(owner)
        wanted = set(keys)
        free = [row for row in self._tasks.unfinished() if row.key in wanted and row.owner is None]
        claimed = [replace(row, owner=owner, fence=row.fence + 1) for row in free]
        for row in claimed:
            self._tasks.put(row)
        return claimed

    # slots

    async def acquire(self, owner: int, key: int, limits: Mapping[str, int]) -> Collection[str]:
        """See the port; raises LeaseLost if the owner was removed."""
        self._check_open()
        for name in limits:
            storable.check({"limit": name})
        self._owners.check(owner)
        return self._slots.acquire(owner, key, limits)

    async def release(self, key: int) -> None:
        """See the port."""
        self._check_open()
        self._slots.release(key)

    # batches

    async def batch(self, batch_id: str) -> BatchRow | None:
        """See the port; the newest, if several have the id."""
        self._check_open()
        same = [row for row in self._batches.values() if row.id == batch_id]
        return max(same, key=lambda row: row.key, default=None)

    async def batch_by_key(self, key: int) -> BatchRow | None:
        """See the port."""
        self._check_open()
        return self._batches.get(key)

    async def batch_tasks(self, key: int) -> Sequence[TaskRow]:
        """See the port."""
        self._check_open()
        last = {row.position: replace(row, result=None) for row in self._tasks.ordered() if row.batch == key}
        return [last[position] for position in sorted(last)]

    async def batches(self, query: BatchQuery) -> Sequence[BatchCounts]:
        """See the port."""
        self._check_open()
        members: dict[int | None, list[TaskRow]] = {}
        for row in self._tasks.rows.values():
            members.setdefault(row.batch, []).append(row)
        found = (
            BatchCounts(row=batch, by_status=dict(Counter(row.status for row in members.get(key, ()))))
            for key, batch in sorted(self._batches.items(), reverse=True)
            if (query.before_key is None or key < query.before_key)
            and (query.caller is None or any(row.caller == query.caller for row in members.get(key, ())))
        )
        return list(islice(found, max(0, query.limit)))

    async def batch_ended(self, key: int, status: TaskStatus, at: float, delivery: Delivery | None = None) -> bool:
        """See the port."""
        self._check_open()
        if key not in self._batches or self._tasks.are_going_on([key]):
            return False
        if delivery is not None and self._batches[key].completed_at is None:
            self._outbox.add(delivery)
        self._batches[key] = replace(self._batches[key], status=status, completed_at=at)
        return True

    async def forgotten_batches(self, *, limit: int) -> Sequence[BatchRow]:
        """See the port."""
        self._check_open()
        going_on = {row.batch for row in self._tasks.unfinished()}
        open_ones = sorted(key for key, row in self._batches.items() if row.completed_at is None)
        return [self._batches[key] for key in open_ones if key not in going_on][: max(0, limit)]

    async def batch_flow_run(self, key: int, flow_run_id: str) -> None:
        """See the port."""
        self._check_open()
        storable.check({"flow_run_id": flow_run_id})
        if key in self._batches:
            self._batches[key] = replace(self._batches[key], flow_run_id=flow_run_id)

    # reading

    async def task(self, task_id: str, *, caller: str | None = None) -> TaskRow | None:
        """See the port."""
        self._check_open()
        rows = (row for row in self._tasks.rows.values() if row.id == task_id)
        return newest([row for row in rows if caller in (None, row.caller)])

    async def rows(self, keys: Collection[int]) -> Mapping[int, TaskRow]:
        """See the port."""
        self._check_open()
        return {key: self._tasks.rows[key] for key in keys if key in self._tasks.rows}

    def history(self, query: HistoryQuery) -> Sequence[TaskRow]:
        """See the port."""
        self._check_open()
        same = {key for key, batch in self._batches.items() if batch.id == query.batch_id}
        within = None if query.batch_id is None else same
        found = (row for row in reversed(self._tasks.ordered()) if matches(row, query, within))
        return list(islice(found, max(0, query.limit)))

    async def counts(self) -> Counts:
        """See the port."""
        self._check_open()
        rows = list(self._tasks.rows.values())
        return Counts(by_status=dict(Counter(row.status for row in rows)), exhausted=sum(row.exhausted for row in rows))

    # use

    @property
    def ledger(self) -> Ledger:
        """See the port."""
        return self._ledger

    # callers

    @property
    def access(self) -> Access:
        """See the port."""
        return self._access

    # messages

    @property
    def outbox(self) -> Outbox:
        """See the port."""
        return self._outbox

    # upkeep

    async def requeue_failed(self, keys: Collection[int]) -> Sequence[int]:
        """See the port; tasks with `store=False` are left out, as they have no payload any more."""
        self._check_open()
        requeued: list[int] = []
        for key in sorted(set(keys) & self._tasks.rows.keys(), reverse=True):
            row = self._tasks.rows[key]
            taken = row.id in self._tasks.unfinished_ids
            went_badly = row.status in (TaskStatus.FAILED, TaskStatus.CANCELLED)
            if row.completed_at is not None and went_badly and row.store and not taken:
                self._tasks.put(afresh(row))
                self._cancellations.pop(key, None)
                requeued.append(key)
                if row.batch in self._batches:
                    reopened = replace(self._batches[row.batch], status=TaskStatus.RUNNING, completed_at=None)
                    self._batches[row.batch] = reopened
        return sorted(requeued)

    async def prune(self, *, ended_before: float, keep: int, limit: int) -> int:
        """See the port; rows of a batch that has not ended are spared."""
        self._check_open()
        rows = self._tasks.rows.values()
        ended = sorted((row.completed_at, row.key) for row in rows if row.completed_at is not None)
        surplus = len(ended) - keep
        free = [(at, key) for at, key in ended if not self._is_in_running_batch(key)]
        gone = [key for place, (at, key) in enumerate(free[:limit]) if at < ended_before or place < surplus]
        emptied = {self._tasks.remove(key).batch for key in gone} - {row.batch for row in rows}
        self._batches = {key: batch for key, batch in self._batches.items() if key not in emptied}
        going_on = {row.key for row in self._tasks.unfinished()}
        self._cancellations = {key: reason for key, reason in self._cancellations.items() if key in going_on}
        return len(gone)

    def _is_in_running_batch(self, key: int) -> bool:
        number = self._tasks.rows[key].batch
        batch = None if number is None else self._batches.get(number)
        return batch is not None and batch.completed_at is None
