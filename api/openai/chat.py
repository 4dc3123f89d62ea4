"""Chat completions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from api.callers import Submitter, sign
from api.endpoints.common import RunningOrchestrator
from api.openai import answering
from api.openai.asking import chat_task
from api.openai.bodies import ChatRequest
from api.openai.errors import OpenAIRoute, of_result, of_stream
from api.openai.limits import board_of
from api.openai.pieces import Pieces, event
from api.openai.running import Attendance, result_of
from api.responses import Json
from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from vera_orchestrator.models import StreamChunk

router = APIRouter(route_class=OpenAIRoute, tags=["openai"])


class ChatCompletion(BaseModel):
    """An answer, as OpenAI's API has it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` as events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("/chat/completions", response_model=ChatCompletion, responses=STREAMED)
async def chat_completions(
    body: ChatRequest, orchestrator: RunningOrchestrator, caller: Submitter, request: Request
) -> Response:
    """Continue a conversation."""
    task = chat_task(body, orchestrator.config.llm_model_classes, stream=bool(body.stream))
    await sign(caller, [task])
    board = board_of(request.app)
    if body.stream:
        response = await _streamed(body, orchestrator, task, request)
        response.headers.update(await board.headers(orchestrator, caller, task.worker_id))
        return response
    result = await result_of(orchestrator, task, request)
    headers = answering.headers(task, result) | await board.headers(orchestrator, caller, result.worker_id)
    if not result.success:
        return of_result(result, headers)
    answer = answering.completion(task, result, asked_model=body.model, created=int(time.time()))
    return Json(answer, headers=headers)


async def _streamed(body: ChatRequest, orchestrator: UnifiedOrchestrator, task: Task, request: Request) -> Response:
    """Answer with events, once there is a first chunk: until then an error has a status of its own."""
    options = body.stream_options
    pieces = Pieces(
        task,
        asked_model=body.model,
        created=int(time.time()),
        include_usage=options is not None and options.include_usage,
    )
    events = _events(orchestrator, task, request, pieces)
    first = await anext(events)
    if isinstance(first, TaskResult):
        await events.aclose()
        return of_result(first, answering.headers(task, first))
    headers = {**answering.headers(task), "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_from(first, events), media_type="text/event-stream", headers=headers)


async def _from(first: bytes, rest: AsyncGenerator[bytes | TaskResult]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for one in rest:
            assert isinstance(one, bytes)
            yield one


async def _events(
    orchestrator: UnifiedOrchestrator, task: Task, request: Request, pieces: Pieces
) -> AsyncGenerator[bytes | TaskResult]:
    """Yield the events of an answer; a result in their place is that of a task that failed before its first chunk."""
    has_begun = False
    attending = Attendance(request, orchestrator, task).begun()
    async with aclosing(_chunks(orchestrator, task)) as chunks, attending as attendance:
        async for chunk in chunks:
            result = chunk.result and attendance.checked(chunk.result)
            if result is not None and not result.success:
                yield event(of_stream(result)) if has_begun else result
                return
            if not has_begun:
                has_begun = True
                yield pieces.begin()
            data = pieces.of(chunk) if result is None else pieces.end(result)
            if data:
                yield data


def _chunks(orchestrator: UnifiedOrchestrator, task: Task) -> AsyncGenerator[StreamChunk]:
    chunks: AsyncIterator[StreamChunk] = orchestrator.submit_stream(task)
    return cast("AsyncGenerator[StreamChunk]", chunks)
