"""Tasks, results and requirements, with the names that clients rely on.

`Task` is a mutable dataclass because its caller watches it: `status`, `result` and the times are kept current while the
task lives. Everything else here is a value.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, cast
from uuid import UUID

from vera_orchestrator.enums import ChunkKind, RoutingStrategy, TaskPriority, TaskStatus, TaskType, WorkerCapability
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.summary import summary_of
from vera_orchestrator.webhooks import Webhook, webhook_of

Hook = Callable[..., Any]


def new_id() -> str:
    """Return a random UUID (version 4) as text; without the system call that `uuid4` makes each time."""
    return str(UUID(int=random.getrandbits(128), version=4))


def utcnow() -> datetime:
    """Return the time now, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class TaskRequirements:
    """What a worker must offer to run a task.

    `worker_capabilities` takes wire values or enum members and holds wire values. `worker_id` pins the task to one
    worker. `memory_mb` is in MiB, `max_runtime_seconds` bounds one attempt. `routing` says what decides between fitting
    workers (None: as the settings say).
    """

    cpu_cores: float | None = None
    memory_mb: int | None = None
    gpu: bool = False
    network: bool = True
    worker_capabilities: list[str] = field(default_factory=list[str])
    max_runtime_seconds: float | None = None
    worker_id: str | None = None
    routing: RoutingStrategy | None = None

    def __post_init__(self) -> None:
        """Turn enum members into wire values, and the name of a strategy into a member."""
        if self.routing is not None:
            object.__setattr__(self, "routing", routing_strategy(self.routing))
        given = cast("object", self.worker_capabilities)
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InvalidValue(
                f"{self.worker_capabilities!r} is not a list.",
                field="requirements.worker_capabilities",
                remedy="Give a list of capabilities, such as ['python'].",
            )
        names = [str(getattr(name, "value", name)) for name in self.worker_capabilities]
        object.__setattr__(self, "worker_capabilities", names)


NO_REQUIREMENTS = TaskRequirements()


@dataclass(kw_only=True)
class TaskResult:
    """What became of a task.

    `data` is any JSON value; `execution_time_ms` is the worker's time of the last attempt, without waiting. An
    unsuccessful result is retried unless `retryable` is False.
    """

    success: bool
    data: Any = None
    error: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    execution_time_ms: float = 0.0
    worker_id: str | None = None
    timestamp: datetime = field(default_factory=utcnow)
    error_type: str | None = None
    retryable: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "success": self.success,
            "data": self.data,
            "error": self.error,
            "metrics": self.metrics,
            "execution_time_ms": self.execution_time_ms,
            "worker_id": self.worker_id,
            "error_type": self.error_type,
            "timestamp": self.timestamp.isoformat(),
        }


@dataclass(frozen=True, kw_only=True)
class StreamChunk:
    """A piece of a streamed result.

    TEXT has the next piece of the text, TOOL_CALL one whole call as the result's metrics show it, USAGE the tokens used
    so far by kind (a later one replaces an earlier one), and END, always the last, the whole result.
    """

    kind: ChunkKind
    text: str = ""
    tool_call: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    result: TaskResult | None = None


@dataclass(kw_only=True, eq=False)
class Task:
    """One unit of work.

    `depends_on` names tasks of the same batch that must succeed first; `depends_on_any` names tasks that must only have
    ended. `timeout_seconds` bounds one attempt (None: the configuration's); `max_wait_seconds` and `expires_at` bound
    the waiting. `budget` names one of the settings' `llm_budgets`. `fairness_key` says whose turn a task takes; of the
    tasks with one `concurrency_key` only one runs at a time. A task with `store=False` leaves neither payload nor
    result in the journal once it has ended. `webhook` ({url, secret}) is told of its end. `caller` is the id of the API
    key that it came with, None without one, and `worker_id` the worker of its last attempt.
    """

    id: str = field(default_factory=new_id)
    type: TaskType | str = TaskType.CUSTOM
    priority: TaskPriority = TaskPriority.NORMAL
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    requirements: TaskRequirements = NO_REQUIREMENTS
    scheduled_at: datetime | None = None
    status: TaskStatus = TaskStatus.PENDING
    result: TaskResult | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    max_retries: int = 3
    retry_count: int = 0
    retry_delay_seconds: float = 1.0
    on_complete: Hook | None = field(default=None, repr=False)
    on_error: Hook | None = field(default=None, repr=False)
    on_progress: Hook | None = field(default=None, repr=False)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: list[str] = field(default_factory=list[str])
    can_parallelize: bool = True
    depends_on: list[str] = field(default_factory=list[str])
    depends_on_any: list[str] = field(default_factory=list[str])
    idempotency_key: str | None = None
    timeout_seconds: float | None = None
    max_wait_seconds: float | None = None
    expires_at: datetime | None = None
    fairness_key: str | None = None
    concurrency_key: str | None = None
    budget: str | None = None
    store: bool = True
    webhook: Webhook | None = None
    caller: str | None = None
    worker_id: str | None = None
    batch_id: str | None = None
    status_reason: str | None = None

    def __post_init__(self) -> None:
        """Accept wire values where members are meant."""
        if self.type.__class__ is not TaskType:
            self.type = task_type(self.type)
        if self.priority.__class__ is not TaskPriority:
            self.priority = task_priority(self.priority)
        for name in ("depends_on", "depends_on_any"):
            if isinstance(getattr(self, name), str):
                raise InvalidValue(
                    f"{getattr(self, name)!r} is not a list.", field=name, remedy="Give a list of ids, such as ['a']."
                )
        if self.webhook is not None:
            self.webhook = webhook_of(self.webhook)
        given: object = self.requirements
        if isinstance(given, dict):
            self.requirements = TaskRequirements(**cast("dict[str, Any]", given))

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form: priority as its number, times in ISO 8601."""
        return {
            "id": self.id,
            "type": str(self.type),
            "priority": int(self.priority),
            "status": str(self.status),
            "status_reason": self.status_reason,
            "payload": self.payload,
            "summary": summary_of(self.payload),
            "submitted_at": _iso(self.submitted_at),
            "started_at": _iso(self.started_at),
            "completed_at": _iso(self.completed_at),
            "retry_count": self.retry_count,
            "tags": self.tags,
            "metadata": self.metadata,
            "batch_id": self.batch_id,
            "caller": self.caller,
            "worker_id": self.worker_id,
            "depends_on": self.depends_on,
            "depends_on_any": self.depends_on_any,
            "result": self.result.to_dict() if self.result else None,
        }


@dataclass(kw_only=True)
class ParallelBatch:
    """Tasks that were submitted together, and how they stand.

    `status` is running until every task has ended, then completed if all succeeded, failed if any failed, else
    cancelled.
    """

    id: str = field(default_factory=new_id)
    tasks: list[Task] = field(default_factory=list[Task])
    execute_parallel: bool = True
    fail_fast: bool = False
    name: str | None = None
    webhook: Webhook | None = None
    status: TaskStatus = TaskStatus.PENDING
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    flow_run_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "batch_id": self.id,
            "name": self.name,
            "status": str(self.status),
            "execute_parallel": self.execute_parallel,
            "fail_fast": self.fail_fast,
            "submitted_at": _iso(self.submitted_at),
            "completed_at": _iso(self.completed_at),
            "flow_run_id": self.flow_run_id,
            "tasks": [task.to_dict() for task in self.tasks],
        }


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """How one worker may be used; times in seconds, the rate in tasks per minute."""

    max_concurrent_tasks: int = 1
    rate_limit_per_minute: int | None = None
    timeout_seconds: float = 300
    auto_restart: bool = True
    health_check_interval_seconds: float = 30
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(kw_only=True)
class WorkerMetrics:
    """What a worker has done since it was started."""

    tasks_completed: int = 0
    tasks_failed: int = 0
    avg_execution_time_ms: float = 0.0
    cpu_usage_percent: float = 0.0
    memory_usage_mb: float = 0.0
    uptime_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class APIQuota:
    """The most that may be used of a provider; None means unlimited, money is in USD."""

    requests_per_minute: int | None = 60
    requests_per_hour: int | None = 3600
    requests_per_day: int | None = 86400
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    cost_limit_per_day: float | None = None


_TASK_TYPES = {member.value: member for member in TaskType}
_registered_types: set[str] = set()


def know_task_type(name: str) -> None:
    """Let `name` be used as a task's type; called by the registry of payload models."""
    _registered_types.add(name)


def task_type(value: object) -> TaskType | str:
    """Return the member for a wire value, or the name of a registered type.

    Raises InvalidValue for a name that nobody registered.
    """
    name = str(value)
    member = _TASK_TYPES.get(name)
    if member is not None:
        return member
    if name in _registered_types:
        return name
    known = ", ".join([*TaskType, *sorted(_registered_types)])
    raise InvalidValue(
        f"{name!r} is not a task type.", field="type", remedy=f"Use one of {known}, or call register_task_type first."
    )


def task_priority(value: object) -> TaskPriority:
    """Return the member for a number or a name in any case; raises InvalidValue."""
    try:
        return TaskPriority[value.upper()] if isinstance(value, str) else TaskPriority(value)  # pyright: ignore[reportArgumentType]
    except (KeyError, ValueError):
        raise InvalidValue(
            f"{value!r} is not a priority.", field="priority", remedy=f"Use one of {names(TaskPriority)}."
        ) from None


def routing_strategy(value: object) -> RoutingStrategy:
    """Return the member for a wire value; raises InvalidValue."""
    try:
        return RoutingStrategy(value)
    except ValueError:
        raise InvalidValue(
            f"{value!r} is not a strategy.",
            field="requirements.routing",
            remedy=f"Use one of {', '.join(RoutingStrategy)}.",
        ) from None


def names(enumeration: type[IntEnum]) -> str:
    """Return the lower-case names of an enumeration, for messages."""
    return ", ".join(member.name.lower() for member in enumeration)


def capability_names(capabilities: Iterable[WorkerCapability | str]) -> frozenset[str]:
    """Return the wire values of capabilities."""
    return frozenset(str(getattr(item, "value", item)) for item in capabilities)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
