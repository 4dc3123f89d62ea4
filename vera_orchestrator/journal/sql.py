"""The journal in an SQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal import hot, owning, reading, refusals, slots, storable, upkeep
from vera_orchestrator.journal.access import Access
from vera_orchestrator.journal.access_sql import AccessParts, SQLAccess
from vera_orchestrator.journal.backend import Backend, Listener
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.ledger import Ledger
from vera_orchestrator.journal.ledger_sql import LedgerParts, SQLLedger
from vera_orchestrator.journal.migrate import bring_up_to_date
from vera_orchestrator.journal.outbox import Delivery, Outbox
from vera_orchestrator.journal.outbox_sql import SQLOutbox
from vera_orchestrator.journal.reader import Reader
from vera_orchestrator.journal.records import (
    NO_BACKLOG,
    NO_NEWS,
    Added,
    Backlog,
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
from vera_orchestrator.journal.writer import Call, Calls, Kind, Writer, failed

T = TypeVar("T")
Item = TypeVar("Item")

REQUEUE_LIMIT = 200
"""Tasks that one transaction requeues at most, so that those on the hot path wait for it only shortly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Open:
    """What an open journal works with."""

    reader: Reader
    writer: Writer
    add: hot.Add
    started: hot.Fenced
    ended: hot.Fenced
    requeued: hot.Fenced
    acquire: slots.Acquire
    calls: Calls
    ledger: LedgerParts
    access: AccessParts


class SQLJournal(Journal):
    """The port on a backend: one thread writes, in groups, and a few read."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._parts: _Open | None = None
        self._listener: Listener | None = None
        self._changing = asyncio.Lock()
        self._ledger = SQLLedger(lambda: self._open.ledger)
        self._access = SQLAccess(lambda: self._open.access)
        self._outbox = SQLOutbox(lambda: self._open.access)

    # life of the store

    async def open(self) -> None:
        """See the port."""
        async with self._changing:
            if self._parts is None:
                self._parts = await asyncio.to_thread(self._connect)

    def _connect(self) -> _Open:
        self._backend.prepare()
        engine = self._backend.engine()
        try:
            with self._backend.opening():
                bring_up_to_date(engine, self._backend)
        except (SQLAlchemyError, *self._backend.driver_errors) as error:
            engine.dispose()
            raise refusals.unavailable(error, self._backend.remedy(error)) from error
        except JournalUnavailable:
            engine.dispose()
            raise
        reader, writer, calls = Reader(engine, self._backend), Writer(engine, self._backend), Calls()
        return _Open(
            reader=reader,
            writer=writer,
            add=hot.Add(engine.dialect),
            started=hot.started_kind(engine.dialect),
            ended=hot.ended_kind(engine.dialect),
            requeued=hot.requeued_kind(engine.dialect),
            acquire=slots.Acquire(engine.dialect),
            calls=calls,
            ledger=LedgerParts.on(engine.dialect, reader, writer, self._backend.now),
            access=AccessParts(reader=reader, writer=writer, calls=calls),
        )

    async def close(self) -> None:
        """See the port."""
        async with self._changing:
            listener, self._listener = self._listener, None
            if listener is not None:
                await listener.stop()
            parts, self._parts = self._parts, None
            if parts is not None:
                await asyncio.to_thread(parts.writer.stop)
                await asyncio.to_thread(parts.reader.stop)

    @property
    def _open(self) -> _Open:
        if self._parts is None:
            raise refusals.closed()
        return self._parts

    @property
    def backlog(self) -> Backlog:
        """See the port."""
        return NO_BACKLOG if self._parts is None else self._parts.writer.backlog

    def hurry(self) -> None:
        """See the port."""
        if self._parts is not None:
            self._parts.writer.hurry()

    def _hot(self, kind: Callable[[_Open], Kind[Item, T]], item: Item, *, hurries: bool = True) -> Awaitable[T]:
        """Queue a write; all errors come through the awaitable."""
        try:
            parts = self._open
        except JournalUnavailable as error:
            return failed(error)
        return parts.writer.submit(kind(parts), item, hurries=hurries)

    async def _write(self, change: Callable[[Connection], T], *, alone: bool = True, news: News = NO_NEWS) -> T:
        parts = self._open
        return cast(T, await parts.writer.submit(parts.calls, Call(change, alone=alone, news=news)))

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._open.reader.read(query)

    # news

    async def listen(self, told: Callable[[News], None]) -> None:
        """See the port."""
        async with self._changing:
            if self._listener is None and self._parts is not None:
                self._listener = self._backend.listener(told)
                if self._listener is not None:
                    self._listener.start()

    @property
    def is_listening(self) -> bool:
        """See the port."""
        return self._listener is not None and self._listener.is_listening

    # owners

    async def join(
        self, *, host: str, pid: int, alive_file: str | None, lease_seconds: float, seal: str | None = None
    ) -> int:
        """See the port."""
        until = self._backend.now() + lease_seconds
        facts = {"host": host, "pid": pid, "alive_file": alive_file, "seal": seal}
        return await self._write(partial(owning.join, facts=facts, lease_until=until))

    async def renew(self, owner: int, lease_seconds: float) -> bool:
        """See the port."""
        until = self._backend.now() + lease_seconds
        return await self._write(partial(owning.renew, owner=owner, lease_until=until), alone=False)

    async def owners(self) -> Sequence[OwnerRow]:
        """See the port."""
        return await self._read(partial(reading.all_owners, now=self._backend.now()))

    async def remove_owner(self, owner: int) -> int:
        """See the port."""
        return await self._write(partial(owning.remove, owner=owner), news=News.UNOWNED)

    async def set_workers(self, owner: int, workers: Sequence[WorkerRow]) -> None:
        """See the port; raises LeaseLost if the owner was removed."""
        await self._write(partial(owning.set_workers, owner=owner, rows=list(workers)), alone=False)

    async def workers(self) -> Sequence[WorkerRow]:
        """See the port."""
        return await self._read(reading.all_workers)

    # tasks, on the hot path

    def add(
        self,
        tasks: Sequence[TaskRow],
        batch: BatchRow | None = None,
        *,
        idempotent_since: float = 0,
        hurries: bool = True,
    ) -> Awaitable[Added]:
        """See the port; raises LeaseLost for rows of an owner that was removed."""
        item = hot.Submission(tasks=tuple(tasks), batch=batch, idempotent_since=idempotent_since)
        return self._hot(lambda parts: parts.add, item, hurries=hurries)

    def started(self, key: int, fence: int, *, at: float, worker_id: str, hurries: bool = True) -> Awaitable[bool]:
        """See the port."""
        item = {"the_key": key, "the_fence": fence, "at": at, "worker": worker_id}
        return self._hot(lambda parts: parts.started, item, hurries=hurries)

    def ended(self, ending: Ending) -> Awaitable[bool]:
        """See the port; what the ending leaves at None of start and worker stays as it is."""
        return self._hot(lambda parts: parts.ended, hot.ended_item(ending))

    def requeued(
        self, key: int, fence: int, *, due_at: float | None, retry_count: int, error: str | None
    ) -> Awaitable[bool]:
        """See the port."""
        item = {"the_key": key, "the_fence": fence, "due": due_at, "retries": retry_count, "message": error}
        return self._hot(lambda parts: parts.requeued, item)

    def give_up(self, rows: Mapping[int, int]) -> Awaitable[int]:
        """See the port; their slots are released."""
        change: Callable[[Connection], Any] = partial(owning.give_up, rows=dict(rows))
        return self._hot(lambda parts: parts.calls, Call(change, alone=False, news=News.UNOWNED))

    # cancelling what another owner has

    async def ask_to_cancel(self, keys: Collection[int], reason: str) -> int:
        """See the port."""
        return await self._write(partial(owning.ask_to_cancel, keys=list(keys), reason=reason), news=News.CANCELLATIONS)

    async def asked_to_cancel(self, owner: int | None) -> Mapping[int, str]:
        """See the port."""
        return await self._read(partial(reading.asked_to_cancel, owner=owner))

    # claiming

    async def owned(self, owner: int, *, limit: int, after_key: int = 0) -> Sequence[TaskRow]:
        """See the port."""
        return await self._read(partial(reading.owned, owner=owner, limit=limit, after_key=after_key))

    async def unowned(
        self, *, limit: int, after_key: int = 0, types: Collection[str] | None = None
    ) -> Sequence[TaskRow]:
        """See the port."""
        return await self._read(partial(reading.unowned, limit=limit, after_key=after_key, types=types))

    async def claim(self, owner: int, keys: Collection[int]) -> Sequence[TaskRow]:
        """See the port; raises LeaseLost if the owner was removed."""
        return await self._write(partial(owning.claim, owner=owner, keys=list(keys)), alone=False)

    # slots

    async def acquire(self, owner: int, key: int, limits: Mapping[str, int]) -> Collection[str]:
        """See the port; raises LeaseLost if the owner was removed."""
        return await self._hot(lambda parts: parts.acquire, slots.Request(owner=owner, key=key, limits=dict(limits)))

    async def release(self, key: int) -> None:
        """See the port."""
        await self._write(partial(owning.release, key=key), alone=False)

    # batches

    async def batch(self, batch_id: str) -> BatchRow | None:
        """See the port; the newest, if several have the id."""
        if storable.fault_of(batch_id):
            return None
        return await self._read(partial(reading.batch, batch_id=batch_id))

    async def batch_by_key(self, key: int) -> BatchRow | None:
        """See the port."""
        return await self._read(partial(reading.batch_by_key, key=key))

    async def batch_tasks(self, key: int) -> Sequence[TaskRow]:
        """See the port."""
        return await self._read(partial(reading.batch_tasks, key=key))

    async def batches(self, query: BatchQuery) -> Sequence[BatchCounts]:
        """See the port."""
        return await self._read(partial(reading.counted_batches, query=query))

    async def batch_ended(self, key: int, status: TaskStatus, at: float, delivery: Delivery | None = None) -> bool:
        """See the port."""
        end = partial(upkeep.end_batch, key=key, status=status, at=at, delivery=delivery)
        return await self._write(end, alone=False)

    async def forgotten_batches(self, *, limit: int) -> Sequence[BatchRow]:
        """See the port."""
        return await self._read(partial(reading.forgotten_batches, limit=limit))

    async def batch_flow_run(self, key: int, flow_run_id: str) -> None:
        """See the port."""
        await self._write(partial(upkeep.note_flow_run, key=key, flow_run_id=flow_run_id), alone=False)

    # reading

    async def task(self, task_id: str, *, caller: str | None = None) -> TaskRow | None:
        """See the port."""
        if storable.fault_of(task_id):
            return None
        return await self._read(partial(reading.newest, task_id=task_id, caller=caller))

    async def rows(self, keys: Collection[int]) -> Mapping[int, TaskRow]:
        """See the port."""
        return await self._read(partial(reading.by_keys, keys=list(keys)))

    def history(self, query: HistoryQuery) -> Sequence[TaskRow]:
        """See the port; what no text of a row can be is nowhere."""
        texts = (query.type, query.caller, query.tag, query.batch_id, query.worker_id)
        if any(text is not None and storable.fault_of(text) for text in texts):
            return []
        return self._open.reader.read_now(partial(reading.history, query=query))

    async def counts(self) -> Counts:
        """See the port."""
        return await self._read(reading.counts)

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
        newest_first = sorted(set(keys), reverse=True)
        requeued: list[int] = []
        for start in range(0, len(newest_first), REQUEUE_LIMIT):
            part = newest_first[start : start + REQUEUE_LIMIT]
            requeued += await self._write(partial(upkeep.requeue_failed, keys=part), news=News.UNOWNED)
        return sorted(requeued)

    async def prune(self, *, ended_before: float, keep: int, limit: int) -> int:
        """See the port; rows of a batch that has not ended are spared."""
        # Looking for them may take a while, so it is not done where everybody waits.
        keys = await self._read(reading.prunable(ended_before=ended_before, keep=keep, limit=limit))
        if await self._read(reading.has_cancellations):
            await self._write(upkeep.delete_heeded)
        return await self._write(partial(upkeep.delete_ended, keys=keys)) if keys else 0
