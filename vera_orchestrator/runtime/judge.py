"""What follows from an attempt here: the decision of `judgement`, with what is known of the workers."""

from __future__ import annotations

import math
import random
import time

from vera_orchestrator.errors import VeraError, WorkerUnavailable
from vera_orchestrator.models import TaskResult
from vera_orchestrator.runtime.capacity import Capacity, Seat
from vera_orchestrator.runtime.entry import Entry, Refusal
from vera_orchestrator.runtime.judgement import End, Retry, judge_error, judge_result
from vera_orchestrator.runtime.metering import Late
from vera_orchestrator.settings import OrchestratorConfig

LONGEST_PAUSE_SECONDS = 3_600.0


class Judge:
    """Decides whether a task has ended or is tried again, where and when."""

    def __init__(self, settings: OrchestratorConfig, capacity: Capacity) -> None:
        self._settings = settings
        self._capacity = capacity

    def verdict(self, entry: Entry, seat: Seat, result: TaskResult | None, error: VeraError | None) -> Retry | End:
        """Decide on the result of an attempt, or on its error; worker and entry take note of it."""
        limit, chance = self._settings.retry_delay_max_seconds, random.random()
        if result is not None:
            verdict = judge_result(entry.task, result, delay_limit=limit, chance=chance)
        else:
            assert error is not None
            verdict = self._on_error(entry, seat, error, limit, chance)
        if isinstance(verdict, Retry):
            entry.failed_on.add(seat.worker.worker_id)
            has_begun = entry.call is not None and entry.call.channel is not None and entry.call.channel.has_begun
            if entry.expired or has_begun:  # whoever has read the beginning of one answer must not get another
                return End(status=verdict.error.task_status, error=verdict.error, exhausted=True)
        return verdict

    def _on_error(self, entry: Entry, seat: Seat, error: VeraError, limit: float, chance: float) -> Retry | End:
        worker_id, now = seat.worker.worker_id, time.monotonic()
        seat.worker.record(success=False, execution_time_ms=0.0)
        if isinstance(error, WorkerUnavailable):
            entry.unreached_since = entry.unreached_since or now
        else:
            entry.unreached_since = None
        patient = now - (entry.unreached_since or now) < self._settings.unavailable_wait_seconds
        if entry.call is None or not (error.elsewhere or error.retryable):
            return judge_error(entry.task, error, patient=patient, delay_limit=limit, chance=chance)
        if error.retry_after is not None:
            error.retry_after = min(error.retry_after, LONGEST_PAUSE_SECONDS)
            seat.pause(now + error.retry_after, f"its provider asks to wait: {error.message}")
        if error.elsewhere and not isinstance(error, WorkerUnavailable):
            entry.refuse(worker_id, Refusal(math.inf, error.message, by_limit=False, as_of=self._capacity.state))
        alternatives = self._capacity.alternatives(entry, worker_id, now)
        may_go_on = patient or not isinstance(error, WorkerUnavailable)
        untried = alternatives - entry.failed_on
        is_others_fault = (error.elsewhere and alternatives and may_go_on) or (error.was_refused and untried)
        if isinstance(error, Late) or is_others_fault:  # nothing was done, so no retry is used up
            return Retry(delay=0, retry_count=entry.task.retry_count, error=error)
        verdict = judge_error(entry.task, error, patient=patient, delay_limit=limit, chance=chance)
        if isinstance(verdict, Retry) and untried:
            return Retry(delay=0, retry_count=verdict.retry_count, error=error)
        return verdict
