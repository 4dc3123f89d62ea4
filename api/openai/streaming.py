"""Answers as events: an error before the first one has a status of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol, cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.openai import answering
from api.openai.errors import of_result, of_stream
from api.openai.running import Attendance
from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from vera_orchestrator.models import StreamChunk


class Events(Protocol):
    """Makes the events of one answer, in their order."""

    def begin(self) -> bytes:
        """Return the first events."""
        ...

    def of(self, chunk: StreamChunk) -> bytes:
        """Return the events of a chunk, none where clients are told nothing of it; not of the last one."""
        ...

    def end(self, result: TaskResult) -> bytes:
        """Return the last events."""
        ...

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return the events of an answer that breaks off."""
        ...


async def streamed(orchestrator: UnifiedOrchestrator, task: Task, request: Request, events: Events) -> Response:
    """Run a task and answer with events, once there is a first chunk."""
    coming = _coming(orchestrator, task, request, events)
    first = await anext(coming)
    if isinstance(first, TaskResult):
        await coming.aclose()
        return of_result(first, answering.headers(task, first))
    headers = {**answering.headers(task), "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_from(first, coming), media_type="text/event-stream", headers=headers)


async def _from(first: bytes, rest: AsyncGenerator[bytes | TaskResult]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for one in rest:
            assert isinstance(one, bytes)
            yield one


async def _coming(
    orchestrator: UnifiedOrchestrator, task: Task, request: Request, events: Events
) -> AsyncGenerator[bytes | TaskResult]:
    """Yield the events of an answer; a result in their place is that of a task that failed before its first chunk."""
    has_begun = False
    attending = Attendance(request, orchestrator, task).begun()
    async with aclosing(_chunks(orchestrator, task)) as chunks, attending as attendance:
        async for chunk in chunks:
            result = chunk.result and attendance.checked(chunk.result)
            if result is not None and not result.success:
                yield events.failed(of_stream(result)) if has_begun else result
                return
            if not has_begun:
                has_begun = True
                yield events.begin()
            data = events.of(chunk) if result is None else events.end(result)
            if data:
                yield data


def _chunks(orchestrator: UnifiedOrchestrator, task: Task) -> AsyncGenerator[StreamChunk]:
    chunks: AsyncIterator[StreamChunk] = orchestrator.submit_stream(task)
    return cast("AsyncGenerator[StreamChunk]", chunks)
