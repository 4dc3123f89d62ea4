"""The durable record, as a port.

What a method says it has written is committed when it returns. Times are seconds since the epoch, as floats. Rows carry
an internal `key`; a task's `id` is its caller's.

Ownership: a row belongs to one owner (a process) or to none. `fence` grows each time a row gets or
loses an owner, or is put back to be run again. Every write about a task names the fence it was given: a write with an
old one changes nothing and reports False.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.access import Access
from vera_orchestrator.journal.ledger import Ledger
from vera_orchestrator.journal.outbox import Delivery, Outbox
from vera_orchestrator.journal.records import (
    NO_BACKLOG,
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


class Journal(ABC):
    """The port. Every method raises JournalUnavailable when the store cannot be reached."""

    # life of the store

    @abstractmethod
    async def open(self) -> None:
        """Connect, and bring the schema up to date. A second call does nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Write what is queued and disconnect. A second call does nothing."""

    @property
    def backlog(self) -> Backlog:
        """What is not written yet; nothing where each write is done at once."""
        return NO_BACKLOG

    # news

    @abstractmethod
    async def listen(self, told: Callable[[News], None]) -> None:
        """Call `told`, in this event loop until `close`, soon after another process has written what it names.

        What could not be heard, say while the store was away, is told as ALL_NEWS afterwards. A store that cannot do
        this never calls it, and keeps `is_listening` at False.
        """

    @property
    @abstractmethod
    def is_listening(self) -> bool:
        """Whether news of other processes are told; where not, they have to be looked for."""

    # owners

    @abstractmethod
    async def join(
        self, *, host: str, pid: int, alive_file: str | None, lease_seconds: float, seal: str | None = None
    ) -> int:
        """Add an owner and return its number, never given before. Keys of its rows start at `first_key(number)`."""

    @abstractmethod
    async def renew(self, owner: int, lease_seconds: float) -> bool:
        """Let a lease end so many seconds from now; False if the owner was removed meanwhile."""

    @abstractmethod
    async def owners(self) -> Sequence[OwnerRow]:
        """Return all owners, dead ones included."""

    @abstractmethod
    async def remove_owner(self, owner: int) -> int:
        """Remove an owner with its workers and slots, and give up its unfinished tasks; return how many.

        They keep their status, so that who claims them sees which were running. Their fence grows: what the owner still
        writes about them changes nothing. What it had reserved in the ledger stays, as an estimate.
        """

    @abstractmethod
    async def set_workers(self, owner: int, workers: Sequence[WorkerRow]) -> None:
        """Replace what is known of an owner's workers."""

    @abstractmethod
    async def workers(self) -> Sequence[WorkerRow]:
        """Return the workers of all owners."""

    # tasks, on the hot path: these return at once and the awaitable ends at the commit

    @abstractmethod
    def hurry(self) -> None:
        """Write at once what does not hurry: nothing will come that it could be written with."""

    @abstractmethod
    def add(
        self,
        tasks: Sequence[TaskRow],
        batch: BatchRow | None = None,
        *,
        idempotent_since: float = 0,
        hurries: bool = True,
    ) -> Awaitable[Added]:
        """Insert tasks, and the batch they form, all or none; `hurries` as with `started`.

        Where a row's `idempotency_key` was used by a row submitted at or after `idempotent_since`, nothing is inserted
        and that row is given back; raises IdempotencyConflict if its `body_hash` differs. Raises DuplicateTaskId if an
        unfinished task has one of the ids, or the batch's id is that of another batch with unfinished tasks.
        """

    @abstractmethod
    def started(self, key: int, fence: int, *, at: float, worker_id: str, hurries: bool = True) -> Awaitable[bool]:
        """Mark a task as running; a mark that does not hurry may be written with what comes next, or a little later."""

    @abstractmethod
    def ended(self, ending: Ending) -> Awaitable[bool]:
        """Complete a row and release its slots; False, and no change, if the fence is old or it had ended."""

    @abstractmethod
    def requeued(
        self, key: int, fence: int, *, due_at: float | None, retry_count: int, error: str | None
    ) -> Awaitable[bool]:
        """Put a task back to queued for its next attempt, under the same owner, and release its slots."""

    @abstractmethod
    def give_up(self, rows: Mapping[int, int]) -> Awaitable[int]:
        """Hand tasks ({key: fence}) to nobody, queued, retry_count as it is; return how many.

        Their fence grows: what the former owner still writes about them changes nothing.
        """

    # cancelling what another owner has

    @abstractmethod
    async def ask_to_cancel(self, keys: Collection[int], reason: str) -> int:
        """Ask whoever owns the tasks, now or later, to cancel them; return how many of them are unfinished.

        Of several requests for a task the first counts.
        """

    @abstractmethod
    async def asked_to_cancel(self, owner: int | None) -> Mapping[int, str]:
        """Return the unfinished tasks that an owner was asked to cancel, with the reasons, by key.

        None: those that have no owner.
        """

    # claiming

    @abstractmethod
    async def owned(self, owner: int, *, limit: int, after_key: int = 0) -> Sequence[TaskRow]:
        """Return an owner's unfinished rows, by key, without results."""

    @abstractmethod
    async def unowned(
        self, *, limit: int, after_key: int = 0, types: Collection[str] | None = None
    ) -> Sequence[TaskRow]:
        """Return unfinished rows without an owner, by key."""

    @abstractmethod
    async def claim(self, owner: int, keys: Collection[int]) -> Sequence[TaskRow]:
        """Make those of the rows that still have no owner this owner's; return them with their new fence."""

    # slots: limits that hold for the whole journal

    @abstractmethod
    async def acquire(self, owner: int, key: int, limits: Mapping[str, int]) -> Collection[str]:
        """Take one slot of every named limit for a task, or none; return the names that were full."""

    @abstractmethod
    async def release(self, key: int) -> None:
        """Give back the slots of a task."""

    # batches

    @abstractmethod
    async def batch(self, batch_id: str) -> BatchRow | None:
        """Return a batch by its id."""

    @abstractmethod
    async def batch_by_key(self, key: int) -> BatchRow | None:
        """Return a batch by its key."""

    @abstractmethod
    async def batch_tasks(self, key: int) -> Sequence[TaskRow]:
        """Return the newest row of each position of a batch, in order, without results."""

    @abstractmethod
    async def batches(self, query: BatchQuery) -> Sequence[BatchCounts]:
        """Return batches newest first, each with the number of its tasks by status."""

    @abstractmethod
    async def batch_ended(self, key: int, status: TaskStatus, at: float, delivery: Delivery | None = None) -> bool:
        """Complete a batch; False, and no change, if it is gone or one of its tasks is unfinished.

        If it was not complete before, `delivery` is put into the outbox with it.
        """

    @abstractmethod
    async def forgotten_batches(self, *, limit: int) -> Sequence[BatchRow]:
        """Return batches that have not ended although all of their tasks have, by key."""

    @abstractmethod
    async def batch_flow_run(self, key: int, flow_run_id: str) -> None:
        """Note the flow run that shows a batch."""

    # reading

    @abstractmethod
    async def task(self, task_id: str, *, caller: str | None = None) -> TaskRow | None:
        """Return the newest row with this id, with its result; with `caller` of those that are its own."""

    @abstractmethod
    async def rows(self, keys: Collection[int]) -> Mapping[int, TaskRow]:
        """Return rows by key, with results."""

    @abstractmethod
    def history(self, query: HistoryQuery) -> Sequence[TaskRow]:
        """Return rows newest first, with results. Blocks for a moment; it is for synchronous callers."""

    @abstractmethod
    async def counts(self) -> Counts:
        """Count all rows by status."""

    # use

    @property
    @abstractmethod
    def ledger(self) -> Ledger:
        """The record of requests, tokens and money; it is open as long as the journal is."""

    # callers

    @property
    @abstractmethod
    def access(self) -> Access:
        """The keys of the API and the audit; open as long as the journal is."""

    # messages

    @property
    @abstractmethod
    def outbox(self) -> Outbox:
        """The messages that tell of ends; open as long as the journal is."""

    # upkeep

    @abstractmethod
    async def requeue_failed(self, keys: Collection[int]) -> Sequence[int]:
        """Put failed and cancelled tasks back to queued, with no retry used and no owner; their batches go on.

        Rows whose id another unfinished task has now are left out, and those that were not to be stored: nothing is
        left of them that could run. Returns the keys that were requeued.
        """

    @abstractmethod
    async def prune(self, *, ended_before: float, keep: int, limit: int) -> int:
        """Delete up to `limit` ended rows, oldest first: those ended before a time, and those beyond `keep`.

        Batches of which no row is left go too. Returns the number of tasks deleted.
        """


def first_key(owner: int) -> int:
    """Return the first row key of an owner; it has 2^36 of them."""
    return owner << 36
