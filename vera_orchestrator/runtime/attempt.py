"""One attempt: from the template payload to the worker's result or an error of ours."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import TaskFailed, TaskTimeout, VeraError
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.values import own_copy, redacted
from vera_orchestrator.secrets import Sealer, check_allowed, check_unchanged, has_reference, redact
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.substitution import substitute
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.metered import MeteredWorker

UpstreamResults = Callable[[Entry], Awaitable[dict[str, Any]]]
AllowedSecrets = Callable[[str | None], Awaitable[frozenset[str]]]
NOT_ITS_SECRET = "Submit it again with a key that has not ended and may use it: vera keys create NAME --secret {}."


class Attempts:
    """Runs single attempts.

    `upstream` returns the data of a task's dependencies by id, `allowed` the named secrets that tasks of a key may use.
    """

    def __init__(
        self, settings: OrchestratorConfig, sealer: Sealer, upstream: UpstreamResults, allowed: AllowedSecrets
    ) -> None:
        self._settings = settings
        self._sealer = sealer
        self._upstream = upstream
        self._allowed = allowed

    async def prepare(self, entry: Entry) -> tuple[Task, frozenset[str]]:
        """Return the task as its worker gets it, secrets and results of others filled in, and those secrets.

        The tasks of a batch in a task are opened one by one, when they run: in its own payload they stay as they were
        submitted. Raises VeraError, NotAllowed for a secret that is not the caller's to use.
        """
        task, payload, values = entry.task, entry.payload, frozenset[str]()
        holds_tasks = task.type is TaskType.PARALLEL_BATCH
        if not holds_tasks:
            if task.caller is not None and has_reference(payload):
                allowed = await self._allowed(task.caller)
                check_allowed(payload, allowed, place="payload", remedy=NOT_ITS_SECRET)
            opened = self._sealer.open(payload)
            payload, values = opened.payload, opened.values
        if task.depends_on or task.depends_on_any:
            # after the secrets: what a dependency returned is not the submitter's to resolve
            payload = substitute(payload, await self._upstream(entry))
            if holds_tasks:
                check_unchanged(entry.payload, payload)
        if payload:  # each attempt has its own, whatever the worker does to it
            task = copy.copy(task)
            task.payload = own_copy(payload)
        return task, values

    async def run(
        self, task: Task, secrets: frozenset[str], worker: BaseWorker, channel: Channel | None = None
    ) -> TaskResult:
        """Return the worker's result, with its time and worker filled in; raises VeraError or CancelledError.

        Secrets that the worker was given appear neither in the result nor in an error text. A metered worker tells the
        channel what it uses.
        """
        if not secrets:
            return await self._execute(task, worker, channel)
        try:
            result = await self._execute(task, worker, channel)
        except VeraError as error:
            _redact(error, secrets)
            raise
        if result.error is not None:
            result.error = redact(result.error, secrets)
        result.data = redacted(result.data, secrets)
        result.metrics = redacted(result.metrics, secrets)
        return result

    async def _execute(self, task: Task, worker: BaseWorker, channel: Channel | None) -> TaskResult:
        limit = self._limit(task, worker)
        began = time.perf_counter()
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                if channel is not None and isinstance(worker, MeteredWorker):
                    result = await worker.attempt(task, channel)
                else:
                    result = await worker.execute_task(task)
        except VeraError:  # first, as some of ours are TimeoutErrors too
            raise
        except TimeoutError as error:
            if not deadline.expired():
                raise TaskFailed(f"TimeoutError: {error}") from error
            raise TaskTimeout(
                f"the attempt took longer than {limit:g} s.", remedy="Raise the task's timeout_seconds."
            ) from None
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise TaskFailed("the worker was cancelled from within.") from None
        except Exception as error:  # a worker may raise anything; all of it means that the attempt failed
            raise TaskFailed(f"{type(error).__name__}: {error}") from error
        given = cast("object", result)
        if not isinstance(given, TaskResult):
            raise TaskFailed(f"worker {worker.worker_id} returned {type(given).__name__}, not a TaskResult")
        elapsed = (time.perf_counter() - began) * 1000
        error = None if result.error is None else str(result.error)
        return dataclasses.replace(result, error=error, execution_time_ms=elapsed, worker_id=worker.worker_id)

    def _limit(self, task: Task, worker: BaseWorker) -> float | None:
        """Return the seconds for one attempt; one that only waits for other tasks has no limit unless it names one."""
        default = min(self._settings.task_timeout_seconds, worker.config.timeout_seconds)
        named = task.timeout_seconds or (default if worker.occupies_slot else None)
        limits = [limit for limit in (named, task.requirements.max_runtime_seconds) if limit is not None]
        return min(limits, default=None)


def _redact(error: VeraError, secrets: frozenset[str]) -> None:
    """Take secrets out of everything that an error shows."""
    error.message = redact(error.message, secrets)
    error.field = redact(error.field, secrets) if error.field else None
    error.remedy = redact(error.remedy, secrets) if error.remedy else None
    error.args = (str(error),)


def _is_cancelled() -> bool:
    """Whether somebody asked this very attempt to end."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
