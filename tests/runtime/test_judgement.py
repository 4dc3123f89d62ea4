"""What follows from an attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import (
    InvalidPayload,
    TaskCancelled,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.judgement import End, Retry, backoff, judge_error, judge_result, worker_failed


def judged(task: Task, error: VeraError, *, patient: bool = True, chance: float = 1.0) -> Retry | End:
    return judge_error(task, error, patient=patient, delay_limit=300, chance=chance)


def test_success_completes_the_task() -> None:
    verdict = judge_result(Task(), TaskResult(success=True), delay_limit=300, chance=0.5)
    assert verdict == End(status=TaskStatus.COMPLETED)


def test_an_unsuccessful_result_is_tried_again_after_its_delay() -> None:
    verdict = judge_result(Task(), TaskResult(success=False, error="no"), delay_limit=300, chance=1.0)
    assert isinstance(verdict, Retry)
    assert (verdict.delay, verdict.retry_count, str(verdict.error)) == (1.0, 1, "no")


def test_a_result_may_forbid_further_attempts() -> None:
    verdict = judge_result(Task(), TaskResult(success=False, error="no", retryable=False), delay_limit=1, chance=1.0)
    assert isinstance(verdict, End)
    assert (verdict.status, verdict.exhausted) == (TaskStatus.FAILED, False)


@pytest.mark.parametrize("after", [0, 7, 2.5])
def test_the_time_that_a_server_names_wins_over_the_backoff(after: float) -> None:
    result = TaskResult(success=False, error="slow down", metrics={"retry_after": after})
    verdict = judge_result(Task(), result, delay_limit=300, chance=0.0)
    assert isinstance(verdict, Retry)
    assert verdict.delay == after
    error = judged(Task(), TaskFailed("slow down", retry_after=after))
    assert isinstance(error, Retry)
    assert error.delay == after


def test_the_last_retry_is_followed_by_the_end() -> None:
    assert isinstance(judged(Task(max_retries=2, retry_count=1), TaskFailed("no")), Retry)
    verdict = judged(Task(max_retries=2, retry_count=2), TaskFailed("no"))
    assert isinstance(verdict, End)
    assert (verdict.status, verdict.exhausted) == (TaskStatus.FAILED, True)


def test_an_error_that_is_not_retryable_ends_the_task_with_its_own_status() -> None:
    for error, status in ((InvalidPayload("no"), TaskStatus.FAILED), (TaskCancelled("no"), TaskStatus.CANCELLED)):
        assert judged(Task(), error) == End(status=status, error=error)


def test_an_attempt_that_reached_no_worker_uses_up_no_retry_while_there_is_patience() -> None:
    task = Task(max_retries=0)
    verdict = judged(task, WorkerUnavailable("away"))
    assert isinstance(verdict, Retry)
    assert verdict.retry_count == 0
    end = judged(task, WorkerUnavailable("away"), patient=False)
    assert isinstance(end, End)
    assert (end.status, end.exhausted) == (TaskStatus.FAILED, True)


@given(
    base=st.floats(0.001, 100),
    retries=st.integers(0, 10_000),
    limit=st.floats(0.001, 1_000),
    chance=st.floats(0, 1),
)
def test_the_backoff_lies_between_half_and_all_of_a_bounded_doubling(
    base: float, retries: int, limit: float, chance: float
) -> None:
    delay = backoff(base, retries, limit=limit, chance=chance)
    whole = min(limit, base * 2.0 ** min(retries, 30))
    assert whole / 2 <= delay <= whole <= limit


def test_the_backoff_doubles() -> None:
    assert [backoff(1.0, retries, limit=60, chance=1.0) for retries in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, False),
        (TaskFailed("no"), True),
        (TaskTimeout("no"), True),
        (WorkerUnavailable("no"), True),
        (InvalidPayload("no"), None),
        (TaskCancelled("no"), None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_only_what_may_be_the_workers_fault_speaks_against_it(error: VeraError | None, verdict: bool | None) -> None:
    assert worker_failed(error) is verdict
