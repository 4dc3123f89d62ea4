"""What follows from an attempt: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import TaskFailed, TaskTimeout, VeraError, WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Try again after `delay` seconds; `retry_count` as it will be then."""

    delay: float
    retry_count: int
    error: VeraError


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The task has ended. `exhausted`: it failed for want of further retries."""

    status: TaskStatus
    error: VeraError | None = None
    exhausted: bool = False


def judge_result(task: Task, result: TaskResult, *, delay_limit: float, chance: float) -> Retry | End:
    """Decide on a result that a worker returned. `chance` is random, 0 to 1."""
    if result.success:
        return End(status=TaskStatus.COMPLETED)
    error = TaskFailed(result.error or "the worker returned success=False without saying why")
    after = result.metrics.get("retry_after")
    error.retry_after = float(after) if isinstance(after, int | float) else None
    retryable = result.retryable is not False
    return _judge(task, error, retryable=retryable, delay_limit=delay_limit, chance=chance)


def judge_error(task: Task, error: VeraError, *, patient: bool, delay_limit: float, chance: float) -> Retry | End:
    """Decide on an error that an attempt raised. `patient`: a worker out of reach may still be waited for."""
    if isinstance(error, WorkerUnavailable) and not patient:
        return End(status=error.task_status, error=error, exhausted=True)
    return _judge(task, error, retryable=error.retryable, delay_limit=delay_limit, chance=chance)


def _judge(task: Task, error: VeraError, *, retryable: bool, delay_limit: float, chance: float) -> Retry | End:
    if not retryable:
        return End(status=error.task_status, error=error)
    # an attempt that never reached a worker uses up no retry; `patient` bounds how long that goes on
    used = 0 if isinstance(error, WorkerUnavailable) else 1
    if task.retry_count + used > task.max_retries:
        return End(status=error.task_status, error=error, exhausted=True)
    delay = error.retry_after
    if delay is None:
        delay = backoff(task.retry_delay_seconds, task.retry_count, limit=delay_limit, chance=chance)
    return Retry(delay=delay, retry_count=task.retry_count + used, error=error)


def backoff(base: float, retries: int, *, limit: float, chance: float) -> float:
    """Return the seconds before the next attempt: doubling, bounded, and between half and all of it by chance."""
    return min(limit, base * 2.0 ** min(retries, 30)) * (0.5 + chance / 2)


def worker_failed(error: VeraError | None) -> bool | None:
    """Return whether an attempt speaks against its worker; None: it says nothing."""
    if error is None:
        return False
    if isinstance(error, TaskTimeout | WorkerUnavailable):
        return True
    return True if error.retryable else None


def blames_worker(result: TaskResult | None, error: VeraError | None) -> bool | None:
    """Return the same of an attempt with its result: one that says it is final is the task's own doing."""
    if result is not None and not result.success and result.retryable is False:
        return None
    return worker_failed(error)
