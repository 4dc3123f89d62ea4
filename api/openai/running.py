"""Runs the task of a request for as long as its client would wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.requests import Request

from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import QueueFull, VeraError


class LimitReached(QueueFull):
    """A request that would have to wait for a limit for longer than clients of OpenAI's API expect."""


async def result_of(orchestrator: UnifiedOrchestrator, task: Task, request: Request) -> TaskResult:
    """Run a task and return its result. Raises as `submit_task` does, and LimitReached."""
    await orchestrator.submit_task(task)
    async with Attendance(request, orchestrator, task).begun() as attendance:
        return attendance.checked(await orchestrator.wait_for(task.id))


class Attendance:
    """Watches over a task while its client waits: it is cancelled when that goes away, or waits for a limit too long.

    What a limit holds up is looked at every `openai_wait_seconds` of the settings.
    """

    def __init__(self, request: Request, orchestrator: UnifiedOrchestrator, task: Task) -> None:
        self._request = request
        self._orchestrator = orchestrator
        self._task = task
        self._limit: str | None = None

    @asynccontextmanager
    async def begun(self) -> AsyncGenerator[Attendance]:
        """Watch while the block lasts; what has not ended at its end is cancelled too."""
        watches = [asyncio.create_task(self._until_gone()), asyncio.create_task(self._until_limited())]
        try:
            yield self
        finally:
            for watch in watches:
                watch.cancel()
            if not self._task.status.is_final:
                await asyncio.shield(self._cancel())

    def checked(self, result: TaskResult) -> TaskResult:
        """Return a result; raises LimitReached for that of a task that was cancelled here for a limit."""
        if self._limit is None or result.success:
            return result
        raise LimitReached(
            f"{self._limit}.",
            remedy="Come again later, or raise the limit.",
            retry_after=self._orchestrator.config.openai_wait_seconds,
        )

    async def _until_gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        await self._cancel()

    async def _until_limited(self) -> None:
        while True:
            await asyncio.sleep(self._orchestrator.config.openai_wait_seconds)
            task = await self._orchestrator.get_task(self._task.id)
            if task is not None and task.status is TaskStatus.RATE_LIMITED:
                self._limit = task.status_reason or "a limit is reached"
                await self._cancel()
                return

    async def _cancel(self) -> None:
        try:
            await self._orchestrator.cancel_task(self._task.id)
        except VeraError:  # not accepted, or the orchestrator was stopped: then it goes on when that starts again
            return
