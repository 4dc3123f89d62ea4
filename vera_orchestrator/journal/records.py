"""What the journal's port takes and gives: see `base`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, auto

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.outbox import Delivery


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRow:
    """One task as the journal knows it.

    `spec` is the JSON text of everything the task was submitted with, its template payload included (secrets sealed).
    `result` is the JSON text of the result. `due_at` is the earliest time of the next attempt. `exhausted` marks a
    failed task that is out of retries. `caller` is the id of the API key that it was submitted with.
    """

    key: int
    id: str
    batch: int | None = None
    position: int = 0
    type: str
    priority: int
    status: TaskStatus = TaskStatus.QUEUED
    spec: str
    submitted_at: float
    started_at: float | None = None
    completed_at: float | None = None
    due_at: float | None = None
    retry_count: int = 0
    owner: int | None = None
    fence: int = 1
    worker_id: str | None = None
    error: str | None = None
    exhausted: bool = False
    idempotency_key: str | None = None
    body_hash: str | None = None
    store: bool = True
    caller: str | None = None
    result: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRow:
    """One batch; `options` is JSON text. It has ended when `completed_at` is set."""

    key: int
    id: str
    options: str
    submitted_at: float
    completed_at: float | None = None
    status: TaskStatus = TaskStatus.RUNNING
    flow_run_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerRow:
    """One process that runs tasks. It is alive while `lease_left`, in seconds by the store's own clock, is positive.

    `alive_file` is the path of a file that the process keeps locked, for others on the same `host`. `seal` is the
    fingerprint of the key with which it seals secrets, so that two with different keys are noticed.
    """

    number: int
    host: str
    pid: int
    alive_file: str | None
    lease_left: float
    seal: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRow:
    """One worker of an owner, so that others know what can be run elsewhere, and whether it can be reached now."""

    owner: int
    worker_id: str
    capabilities: frozenset[str]
    reachable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a task ended: the write that completes its row.

    With `forget` the row keeps neither payload nor result. `delivery` is put into the outbox with it.
    """

    key: int
    fence: int
    status: TaskStatus
    completed_at: float
    started_at: float | None = None
    retry_count: int = 0
    worker_id: str | None = None
    error: str | None = None
    exhausted: bool = False
    result: str | None = None
    forget: bool = False
    delivery: Delivery | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryQuery:
    """What to list: newest first, rows before `before_key`, with these properties.

    `since` and `until` bound the time of submission, in seconds since the epoch, the first included.
    """

    limit: int = 100
    status: TaskStatus | None = None
    type: str | None = None
    before_key: int | None = None
    exhausted: bool | None = None
    caller: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    worker_id: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchQuery:
    """Which batches to list: newest first, before `before_key`, those with a task of `caller` where that is given."""

    limit: int = 100
    before_key: int | None = None
    caller: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchCounts:
    """One batch, and how many of its tasks have each status."""

    row: BatchRow
    by_status: Mapping[TaskStatus, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What became of a submission: its rows, or the earlier row that the idempotency key names."""

    existing: TaskRow | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many tasks the journal holds in each status, and how many are out of retries."""

    by_status: Mapping[TaskStatus, int] = field(default_factory=dict[TaskStatus, int])
    exhausted: int = 0


class News(Flag):
    """What another process may have written."""

    UNOWNED = auto()
    """Rows have no owner: there may be something to claim."""
    ENDED = auto()
    """Tasks have ended."""
    CANCELLATIONS = auto()
    """Owners are asked to cancel tasks."""


NO_NEWS = News(0)
ALL_NEWS = News.UNOWNED | News.ENDED | News.CANCELLATIONS


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Writes that wait for their turn, and for how many seconds the ones before them have been being written."""

    writes: int = 0
    seconds: float = 0.0


NO_BACKLOG = Backlog()
