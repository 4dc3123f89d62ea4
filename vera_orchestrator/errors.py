"""The one tree of errors.

VeraError
├── InvalidValue            a value outside its set (an unknown type, priority, status)
├── InvalidPayload          a payload that does not fit its task type
│   └── ContextTooLong      more input than the model takes
├── InvalidBatch            a batch that is not a graph of known tasks
│   ├── CyclicDependency
│   └── UnknownDependency
├── DuplicateTaskId         an unfinished task has the id already
├── IdempotencyConflict     the key was used with another body
├── WrongStatus             what was asked for does not fit how the task stands
├── NotFound                no such task, batch, worker or tool
├── QueueFull               more waiting tasks than the settings allow
├── NotAllowed              an address, path or action that the settings forbid
├── NotConfigured           a setting, program or key is missing
├── NoWorker                nothing registered can run the task
├── OverLimit               a call larger than a limit, or one that no limit can be kept for
├── WorkerUnavailable       fitting workers exist, none can be reached
│   └── NodeUnreachable     a remote node that cannot be used was to be registered
├── TaskFailed              the worker said so, or raised
│   ├── ResultTooLarge
│   ├── ResultNotSerializable
│   ├── ToolFailed          a tool ran and says that it did not succeed
│   └── SubstitutionFailed
├── TaskTimeout             one attempt took longer than its limit
├── TaskExpired             the task waited longer than its caller allowed
├── TaskInterrupted         the process that ran the task died
├── TaskCancelled
│   └── DependencyFailed
├── JournalUnavailable      the durable record cannot be read or written
├── LeaseLost               another owner has taken the task over
├── OrchestratorStopped     the orchestrator was stopped; its tasks are kept
└── PrefectUnavailable      the Prefect server did not start or answer
"""

from typing import Any, ClassVar

from vera_orchestrator.enums import TaskStatus


class VeraError(Exception):
    """Root of all errors of this library.

    `field` names the input at fault and `remedy` says what to do; both become part of the text. `retry_after` is in
    seconds and, where set, is honoured before the next attempt. `elsewhere` says that the fault is the worker's or the
    model's, so that another may succeed; `was_refused`, that the other side has seen the request and done nothing.
    """

    retryable: ClassVar[bool] = False
    task_status: ClassVar[TaskStatus] = TaskStatus.FAILED
    http_status: ClassVar[int] = 500
    elsewhere: bool = False
    was_refused: bool = False

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message
        self.field = field
        self.remedy = remedy
        self.retry_after = retry_after
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.field}: {self.message}" if self.field else self.message
        return f"{text} {self.remedy}" if self.remedy else text


class InvalidValue(VeraError, ValueError):
    """A value outside the set it must come from."""

    http_status = 400


class InvalidPayload(VeraError, ValueError):
    """A payload that does not fit the model of its task type."""

    http_status = 422


class ContextTooLong(InvalidPayload):
    """More input than the model takes; another model may take it."""

    elsewhere = True


class InvalidBatch(VeraError, ValueError):
    """A batch that does not form a graph of known tasks."""

    http_status = 422


class CyclicDependency(InvalidBatch):
    """Tasks of a batch that wait for each other."""


class UnknownDependency(InvalidBatch):
    """A dependency that names no task of its batch."""


class DuplicateTaskId(VeraError):
    """An unfinished task has this id already."""

    http_status = 409


class IdempotencyConflict(VeraError):
    """An idempotency key that came before, with another body."""

    http_status = 409


class WrongStatus(VeraError):
    """Something that cannot be done to a task that stands as it does."""

    http_status = 409


class NotFound(VeraError, LookupError):
    """No task, batch, worker or tool has this name."""

    http_status = 404


class QueueFull(VeraError):
    """More tasks wait than `max_queued_tasks` allows; nothing was accepted."""

    retryable = True
    http_status = 429


class RateExceeded(VeraError):
    """A key has submitted as many tasks as its rate allows; nothing was accepted."""

    retryable = True
    http_status = 429


class NotAllowed(VeraError, PermissionError):
    """An address, path or action that the settings forbid."""

    http_status = 403


class NotConfigured(VeraError):
    """A setting, a program or a key that the task needs is missing.

    `of_one_call` says that what was refused is this call, and that others may succeed in the same place.
    """

    http_status = 503
    of_one_call: bool = False


class NoWorker(VeraError):
    """No worker of any living owner can run the task."""

    http_status = 503


class OverLimit(VeraError):
    """A call that can never go: it is larger than a limit, or its price is not known where money is limited."""

    http_status = 422


class WorkerUnavailable(VeraError):
    """Fitting workers exist, and none can be reached now."""

    retryable = True
    http_status = 503


class NodeUnreachable(WorkerUnavailable):
    """A remote node that was to be registered cannot be used; nothing was registered."""

    http_status = 502


class TaskFailed(VeraError):
    """The worker returned an unsuccessful result or raised; retryable, as nothing is known of the cause."""

    retryable = True


class ResultTooLarge(TaskFailed):
    """A result above `max_result_bytes`; its head and tail are kept as diagnosis."""

    retryable = False
    http_status = 413


class ResultNotSerializable(TaskFailed):
    """A result that has no JSON form."""

    retryable = False


class ToolFailed(TaskFailed):
    """A tool ran and did not succeed; `data`, any JSON value, becomes the data of the task's unsuccessful result."""

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        data: Any = None,
        field: str | None = None,
        remedy: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.data = data
        super().__init__(message, field=field, remedy=remedy, retry_after=retry_after)


class SubstitutionFailed(TaskFailed):
    """A placeholder whose path its dependency's result does not have."""

    retryable = False


class TaskTimeout(VeraError, TimeoutError):
    """One attempt took longer than its limit."""

    retryable = True
    http_status = 504


class TaskExpired(VeraError):
    """The task waited longer than `max_wait_seconds` or past `expires_at`."""

    http_status = 504


class TaskInterrupted(VeraError):
    """The process that ran the task died, and the task may not run twice."""


class TaskCancelled(VeraError):
    """The task was cancelled."""

    task_status = TaskStatus.CANCELLED
    http_status = 409


class DependencyFailed(TaskCancelled):
    """A task that this one depends on did not succeed."""


class JournalUnavailable(VeraError):
    """The durable record cannot be read or written; what was not committed was not acknowledged."""

    retryable = True
    http_status = 503


class LeaseLost(VeraError):
    """Another owner has taken the task over; nothing was written."""


class PrefectUnavailable(VeraError):
    """The Prefect server did not start or does not answer."""

    retryable = True
    http_status = 503


class OrchestratorStopped(VeraError):
    """The orchestrator was stopped while somebody waited; the task is kept and goes on at the next start."""

    retryable = True
    http_status = 503
