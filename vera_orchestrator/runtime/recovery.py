"""Claim: take charge of unfinished tasks that nobody owns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vera_orchestrator.engine.base import Engine
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import DependencyFailed, JournalUnavailable, TaskCancelled, TaskInterrupted, VeraError
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.keys import Keys
from vera_orchestrator.models import ParallelBatch, Task
from vera_orchestrator.runtime.batches import BatchState, status_of
from vera_orchestrator.runtime.capacity import Capacity
from vera_orchestrator.runtime.codec import decode_task, legible_task, to_datetime, to_seconds
from vera_orchestrator.runtime.entry import Entry, Group, Upstream, group_of
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress
from vera_orchestrator.runtime.reasons import dependency_failed
from vera_orchestrator.runtime.submission import decode_options, plan_of
from vera_orchestrator.runtime.telling import BATCH
from vera_orchestrator.settings import OrchestratorConfig

CLAIM_LIMIT = 500
READ_AT_ONCE = 100
"""Rows that are read before other things may go on."""
FORGOTTEN_SECONDS = 5.0
ANYBODYS = TaskRow(key=0, id="", type="custom", priority=2, spec="{}", submitted_at=0)
Scope = Callable[[TaskRow], bool]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A row and what is written in it."""

    row: TaskRow
    task: Task
    group: Group
    after: Sequence[Upstream]


class Recovery:
    """Adopts rows without an owner: those of dead processes, of stopped ones, and those that are for others to run.

    `scope` says which rows this process may claim at all. A row that cannot be read, say of a type that nobody has
    registered here, is left alone and does not stop the others.
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
        keys: Keys,
        scope: Scope,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._engine = engine
        self._capacity = capacity
        self._live = live
        self._ownership = ownership
        self._progress = progress
        self._keys = keys
        self._scope = scope
        self._unfit_since: dict[int, float] = {}
        self._unreadable: set[int] = set()
        self._refused: set[int] = set()
        self._arriving: set[int] = set()
        self._stranded: list[tuple[Sequence[TaskRow], VeraError | None]] = []
        self.leftover = 0
        self.unheeded = 0
        ownership.is_scoped = not scope(ANYBODYS)

    async def claim(self) -> int:
        """Claim what a worker here can run, and what nobody has been able to run for too long; return how many."""
        while self._stranded:
            await self._take_charge(*self._stranded.pop(0))
        adopted = await self._find_own() if self._ownership.is_uncertain else 0
        if self._ownership.is_draining:
            return adopted
        after_key = 0
        unreadable: set[int] = set()
        unfit: dict[int, float] = {}
        while rows := await self._journal.unowned(limit=CLAIM_LIMIT, after_key=after_key):
            unwanted = await self._journal.asked_to_cancel(None)
            after_key = rows[-1].key
            wanted: list[int] = []
            async for row, read in self._each(rows):
                if read is None:
                    unreadable.add(row.key)
                elif self._is_in_scope(row) and (row.key in unwanted or await self._is_for_us(read, unfit)):
                    wanted.append(row.key)
            if wanted and not self._ownership.is_draining:
                adopted += len(await self._claim(wanted))
        self._unfit_since, self._unreadable = unfit, unreadable
        self.leftover = len(unfit) + len(unreadable)
        return adopted

    async def _claim(self, keys: Collection[int], error: VeraError | None = None) -> set[int]:
        """Claim rows and take charge of those that were still free; return their keys."""
        with self._ownership.arriving(keys):
            claimed = await self._journal.claim(self._ownership.number, keys)
            await self._take_charge(claimed, error)
        return {row.key for row in claimed}

    async def _find_own(self) -> int:
        """Take charge of rows that became ours in a write whose outcome was never heard; return how many."""
        self._ownership.is_uncertain = False
        try:
            found: list[int] = []
            after_key = 0
            while rows := await self._journal.owned(self._ownership.number, limit=CLAIM_LIMIT, after_key=after_key):
                after_key = rows[-1].key
                found += [row.key for row in rows if not self._is_known(row.key)]
            # read again: what has ended between the first look and the question whether it is known is final by now
            lost = 0
            for some in _pages(found):
                rows = (await self._journal.rows(some)).values()
                mine = [row for row in rows if row.owner == self._ownership.number and not row.status.is_final]
                lost += len(mine)
                await self._take_charge([row for row in mine if not self._is_known(row.key)])
        except BaseException:
            self._ownership.be_uncertain()
            raise
        return lost

    def _is_known(self, key: int) -> bool:
        stranded = any(row.key == key for rows, _ in self._stranded for row in rows)
        arriving = key in self._arriving or self._ownership.is_arriving(key)
        return stranded or arriving or key in self._refused or self._live.get(key) is not None

    async def heed_cancellations(self) -> None:
        """Cancel what another owner has been asked to cancel here; `unheeded` says how much of it is yet to arrive."""
        asked = await self._journal.asked_to_cancel(self._ownership.number)
        found = {key: entry for key in asked if (entry := self._live.get(key)) is not None}
        for reason in {asked[key] for key in found}:
            self._progress.cancel_all([entry for key, entry in found.items() if asked[key] == reason], reason)
        self.unheeded = len(asked) - len(found)

    async def _each(self, rows: Sequence[TaskRow]) -> AsyncGenerator[tuple[TaskRow, Read | None]]:
        """Read rows one after the other, and let other things go on now and then."""
        for number, row in enumerate(rows, start=1):
            yield row, self._read(row)
            if number % READ_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _read(self, row: TaskRow) -> Read | None:
        """Return what a row says; None, noted once in the log, if it cannot be read here."""
        if row.key in self._refused:
            return None
        try:
            task, after = decode_task(row)
            group = group_of(task)
            hash(group)
        except Exception as error:  # whatever is wrong with one row must not stop the others
            if row.key not in self._unreadable:
                self._unreadable.add(row.key)
                problem = f"{type(error).__name__}: {error}"
                logger.error("task %s (%s) cannot be read and is left alone: %s", row.id, row.type, problem)
            return None
        return Read(row=row, task=task, group=group, after=after)

    def _is_in_scope(self, row: TaskRow) -> bool:
        try:
            return self._scope(row)
        except Exception:  # see _read
            logger.exception("whether task %s is for this process cannot be told; it is left alone", row.id)
            return False

    async def _is_for_us(self, read: Read, unfit: dict[int, float]) -> bool:
        now = time.monotonic()
        knows_budget = read.task.budget is None or read.task.budget in self._settings.llm_budgets
        if knows_budget and self._capacity.is_reachable(read.group, now):
            return True
        if knows_budget and self._capacity.fitting(read.group, now):
            return not await self._ownership.fits_elsewhere(read.group, reachable=True)
        if await self._ownership.fits_elsewhere(read.group):
            return False
        since = unfit[read.row.key] = self._unfit_since.get(read.row.key, now)
        return now - since >= self._settings.recovery_grace_seconds

    async def cancel(self, keys: Collection[int], reason: str) -> int:
        """Cancel tasks, those that nobody is in charge of at once; return how many had not ended."""
        rows = await self._journal.rows(keys)
        free = [row.key async for row, read in self._each([*rows.values()]) if row.owner is None and read is not None]
        claimed = set[int]()
        for some in _pages(free):
            claimed |= await self._claim(some, TaskCancelled(reason))
        others = [key for key, row in rows.items() if not row.status.is_final and key not in claimed]
        if not others:
            return len(claimed)
        asked = await self._journal.ask_to_cancel(others, reason)
        await self.heed_cancellations()  # what has become this owner's meanwhile
        return len(claimed) + asked

    async def end_forgotten_batches(self, *, older_than: float = FORGOTTEN_SECONDS) -> None:
        """Note the end of batches whose owner died after the last of their tasks and before it could."""
        for row in await self._journal.forgotten_batches(limit=CLAIM_LIMIT):
            if self._progress.batches.get(row.key) is None:
                tasks = await self._journal.batch_tasks(row.key)
                ended = max((one.completed_at or 0.0 for one in tasks), default=row.submitted_at)
                if time.time() - ended > older_than:  # else its owner is about to do so
                    status = status_of(one.status for one in tasks)
                    webhook = decode_options(row.options).webhook
                    message = self._progress.telling.message(BATCH, webhook, key=row.key, status=status, at=time.time())
                    if await self._journal.batch_ended(row.key, status, ended, message) and message is not None:
                        self._progress.telling.written()

    async def _take_charge(self, rows: Sequence[TaskRow], error: VeraError | None = None) -> None:
        """Adopt claimed rows; if that is broken off, it is tried again with the next claim."""
        keys = {row.key for row in rows}
        self._arriving |= keys
        try:
            await self._keys.learn(row.caller for row in rows)
            asked: Mapping[int, str] = {}
            if rows and error is None:
                asked = await self._journal.asked_to_cancel(self._ownership.number)
            for reason in set(asked.values()):
                await self.adopt([row for row in rows if asked.get(row.key) == reason], TaskCancelled(reason))
            await self.adopt([row for row in rows if row.key not in asked], error)
        except BaseException:
            # they are not given up: a running row would lose the mark that its attempt was interrupted
            left = [row for row in rows if self._live.get(row.key) is None]
            self._stranded.append((left, error))
            self._progress.look_elsewhere()
            raise
        finally:
            self._arriving -= keys

    async def adopt(self, rows: Sequence[TaskRow], error: VeraError | None = None) -> None:
        """Take charge of claimed rows; with an error only to end them so. Nothing has been done if it raises."""
        reads = [read async for _, read in self._each(rows) if read is not None]
        ours = {read.row.key for read in reads}
        upstream = await self._upstream(ours, [read.after for read in reads])
        await self._adopt_batches({read.row.batch for read in reads if read.row.batch is not None})
        await self._count_interruptions([read.row for read in reads if read.row.status is TaskStatus.RUNNING])
        for read in reads:  # at one go: no task may end before those that wait for it are accepted
            try:
                self._adopt(read, upstream, ours, error)
            except Exception:  # see _read
                logger.exception("task %s cannot be taken charge of and is left alone", read.row.id)
                self._refuse(read.row)

    def _adopt(self, read: Read, upstream: dict[int, TaskRow], ours: Collection[int], error: VeraError | None) -> None:
        former = self._live.get(read.row.key)
        if former is not None:  # it had been given up for lost, and has come back to this process
            self._progress.hand_over(former)
        row, task = read.row, self._known(read.row.key, read.task)
        if row.status is TaskStatus.RUNNING:
            task.retry_count, task.status = row.retry_count + 1, TaskStatus.QUEUED
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
            group=read.group,
            payload=read.task.payload,
            entered=max(row.submitted_at, to_seconds(task.scheduled_at) if task.scheduled_at else 0.0),
            batch=row.batch,
            after=read.after,
            adopted_at=self._unfit_since.get(row.key, time.monotonic()),
        )
        if error is not None:
            self._progress.accept_ended(entry, error)
        else:
            self._accept(row, entry, upstream, ours)

    def _refuse(self, row: TaskRow) -> None:
        """Leave a claimed row to others; from now on it is not claimed here."""
        self._refused.add(row.key)
        entry = self._live.get(row.key)
        if entry is not None:
            self._progress.hand_over(entry)
        self._progress.spawn(self._give_up(row))

    async def _give_up(self, row: TaskRow) -> None:
        await self._journal.give_up({row.key: row.fence})

    def _known(self, key: int, decoded: Task) -> Task:
        """Return the task that somebody here has been watching, brought up to date, else the decoded one."""
        task = self._live.foreign.get(key)
        if task is None:
            return decoded
        task.status, task.result, task.retry_count = decoded.status, None, decoded.retry_count
        task.started_at = task.completed_at = None
        return task

    async def _count_interruptions(self, rows: Sequence[TaskRow]) -> None:
        """Note broken-off attempts in the journal, so that a task that kills its process does not do so for ever."""
        done = await asyncio.gather(*(self._count_interruption(row) for row in rows), return_exceptions=True)
        for outcome in done:  # all of them have ended: none may be written after its task has started anew
            if isinstance(outcome, BaseException):
                raise outcome

    async def _count_interruption(self, row: TaskRow) -> None:
        count = row.retry_count + 1
        error = f"attempt {count} was interrupted"
        await self._journal.requeued(row.key, row.fence, due_at=None, retry_count=count, error=error)

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
                doom = dependency_failed(legible_task(before)).message
        # accepted in any case, so that its end is told like any other
        if doom is not None:
            self._progress.accept_ended(entry, DependencyFailed(doom))
        elif entry.task.retry_count > entry.task.max_retries:  # also if who counted that attempt has died since
            self._progress.accept_ended(entry, _interrupted(entry))
        else:
            self._progress.accept(entry, unmet=unmet, due_at=row.due_at)

    async def _upstream(self, ours: Collection[int], afters: Iterable[Sequence[Upstream]]) -> dict[int, TaskRow]:
        keys = {one.key for after in afters for one in after} - set(ours)
        return dict(await self._journal.rows(keys)) if keys else {}

    async def _adopt_batches(self, keys: Collection[int]) -> None:
        for key in keys:
            if self._progress.batches.get(key) is not None:
                continue
            try:
                await self._adopt_batch(key)
            except JournalUnavailable:
                raise
            except Exception:  # its tasks can run nonetheless
                logger.exception("a batch cannot be read or shown")

    async def _adopt_batch(self, key: int) -> None:
        row = await self._journal.batch_by_key(key)
        if row is None:
            return
        keys_of_tasks = [one.key for one in await self._journal.batch_tasks(key)]
        known = await self._journal.rows(keys_of_tasks)  # with the results of those that have ended
        rows = [known[one] for one in keys_of_tasks if one in known]
        options = decode_options(row.options)
        reads = {one.key: read async for one, read in self._each(rows) if read is not None}
        tasks = {one.key: reads[one.key].task if one.key in reads else legible_task(one) for one in rows}
        batch = ParallelBatch(
            id=row.id,
            tasks=list(tasks.values()),
            execute_parallel=options.execute_parallel,
            fail_fast=options.fail_fast,
            name=options.name,
            webhook=options.webhook,
            status=TaskStatus.RUNNING,
            submitted_at=to_datetime(row.submitted_at),
        )
        unfinished = {one.key for one in rows if not one.status.is_final}
        state = BatchState(key=key, batch=batch, tasks=tasks, open=unfinished)
        still = [(one, read.after) for one, read in reads.items() if one in unfinished]
        plan = await asyncio.to_thread(plan_of, state, still, options.name)  # beside the event loop: it may be long
        if self._progress.batches.get(key) is not None:  # adopted meanwhile
            return
        self._progress.batches.add(state)
        self._live.foreign.update({one: task for one, task in tasks.items() if one in unfinished})
        self._engine.open_batch(plan)


def _pages(keys: Sequence[int]) -> list[Sequence[int]]:
    return [keys[start : start + CLAIM_LIMIT] for start in range(0, len(keys), CLAIM_LIMIT)]


def _interrupted(entry: Entry) -> TaskInterrupted:
    task = entry.task
    return TaskInterrupted(
        f"the process that ran the task died, and {task.max_retries} retries are allowed.",
        remedy="Check what the task did before you submit it again.",
    )
