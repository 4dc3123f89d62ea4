"""Runs the task of a request; a client that goes away ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.requests import Request

from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from vera_orchestrator.errors import VeraError


async def result_of(orchestrator: UnifiedOrchestrator, task: Task, request: Request) -> TaskResult:
    """Run a task and return its result. Raises as `submit_task` does."""
    await orchestrator.submit_task(task)
    async with cancelled_with(request, orchestrator, task):
        return await orchestrator.wait_for(task.id)


@asynccontextmanager
async def cancelled_with(request: Request, orchestrator: UnifiedOrchestrator, task: Task) -> AsyncGenerator[None]:
    """Cancel a task when the client goes away, or the block is left before the task has ended."""
    watch = asyncio.create_task(_cancel_when_gone(request, orchestrator, task))
    try:
        yield
    finally:
        watch.cancel()
        if not task.status.is_final:
            await asyncio.shield(_cancel(orchestrator, task))


async def _cancel_when_gone(request: Request, orchestrator: UnifiedOrchestrator, task: Task) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    await _cancel(orchestrator, task)


async def _cancel(orchestrator: UnifiedOrchestrator, task: Task) -> None:
    try:
        await orchestrator.cancel_task(task.id)
    except VeraError:  # not accepted, or the orchestrator was stopped: it goes on when that starts again
        return
