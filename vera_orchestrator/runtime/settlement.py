"""Settle, journal, tell: the end of an attempt, and the end of a task."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable, TaskFailed, VeraError
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import Ending
from vera_orchestrator.models import Hook, Task, TaskResult, utcnow
from vera_orchestrator.runtime.codec import encode_result, to_seconds
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.hooks import HookCaller
from vera_orchestrator.runtime.telling import TASK, Telling
from vera_orchestrator.runtime.values import storable
from vera_orchestrator.settings import OrchestratorConfig

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Hooks:
    """What the orchestrator's user wants to be told."""

    on_task_complete: Hook | None = None
    on_task_failed: Hook | None = None


class Settlement:
    """Writes the end of tasks and tells those who wait.

    `ended` is called with the entry, once its end is committed, before anybody is told.
    """

    def __init__(
        self,
        journal: Journal,
        settings: OrchestratorConfig,
        hooks: Hooks,
        ended: Callable[[Entry], None],
        telling: Telling,
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._ended = ended
        self._telling = telling
        self._caller = HookCaller()
        self._hooks = hooks

    async def end(
        self,
        entry: Entry,
        *,
        status: TaskStatus,
        result: TaskResult | None = None,
        error: VeraError | None = None,
        exhausted: bool = False,
    ) -> bool:
        """End a task; False if another owner had taken it over, in which case nothing was written."""
        entry.final = True
        result = result or TaskResult(success=False, metrics=_routing_of(entry))
        if error is not None:
            result = _unsuccessful(result, error)
        text = None
        try:
            text = encode_result(result, self._settings.max_result_bytes)
        except TaskFailed as problem:
            status, error = TaskStatus.FAILED, problem
            kept = TaskResult(success=False, execution_time_ms=result.execution_time_ms, worker_id=result.worker_id)
            result = _unsuccessful(kept, problem)
            text = encode_result(result, sys.maxsize)  # what is wrong must be said, however low the limit
        task = entry.task
        completed_at = utcnow()
        ending = Ending(
            key=entry.key,
            fence=entry.fence,
            status=status,
            completed_at=to_seconds(completed_at),
            started_at=to_seconds(task.started_at) if task.started_at else None,
            retry_count=task.retry_count,
            worker_id=result.worker_id,
            error=_kept_text(error, task),
            exhausted=exhausted,
            result=text,
            forget=not task.store,
            delivery=self._telling.message(
                TASK, task.webhook, key=entry.key, status=status, at=to_seconds(completed_at)
            ),
        )
        if not await self._is_written(ending):
            return False
        task.status, task.result, task.completed_at = status, result, completed_at
        task.status_reason = storable(str(error)) if error else None
        self._ended(entry)
        if ending.delivery is not None:
            self._telling.written()
        await self._tell(entry, result, error)
        return True

    async def _is_written(self, ending: Ending) -> bool:
        """Write how a task ended, until the journal has answered; False if another owner had taken it over."""
        tries = 0

        async def write() -> bool:
            nonlocal tries
            tries += 1
            if await self._journal.ended(ending):
                return True
            if tries == 1:
                return False
            # an earlier try may have been written although its answer was lost
            row = (await self._journal.rows((ending.key,))).get(ending.key)
            return row is not None and (row.fence, row.completed_at) == (ending.fence, ending.completed_at)

        return await self.surely(write)

    async def surely(self, write: Callable[[], Awaitable[bool]]) -> bool:
        """Repeat a write until the journal can be reached: what happened must not be lost."""
        delay = 0.05
        while True:
            try:
                return await write()
            except JournalUnavailable as error:
                logger.warning("the journal cannot be written, trying again in %.2g s: %s", delay, error)
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)

    async def _tell(self, entry: Entry, result: TaskResult, error: VeraError | None) -> None:
        task = entry.task
        hooks = self._hooks
        if result.success:
            await self._call(hooks.on_task_complete, task, result)
            await self._call(task.on_complete, result)
        else:
            error = error or TaskFailed(result.error or "failed")
            await self._call(hooks.on_task_failed, task, error)
            await self._call(task.on_error, error)
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_result(result)

    async def _call(self, hook: Hook | None, *arguments: Task | TaskResult | VeraError) -> None:
        if hook is not None:
            await self._caller.call(hook, *arguments)


def _kept_text(error: VeraError | None, task: Task) -> str | None:
    """Return what the journal keeps of an error: of a task that is not to be stored, only what kind it was."""
    if error is None:
        return None
    return storable(str(error)) if task.store else type(error).__name__


def _routing_of(entry: Entry) -> dict[str, Any]:
    """Return what was found of the workers at the last look, as the metrics of a result show it."""
    if not entry.considered:
        return {}
    return {"routing": {"worker": entry.task.worker_id, "considered": entry.considered}}


def _unsuccessful(result: TaskResult, error: VeraError) -> TaskResult:
    return dataclasses.replace(
        result,
        success=False,
        error=storable(str(error)),
        error_type=result.error_type or type(error).__name__,
        retryable=error.retryable if result.retryable is None else result.retryable,
    )
