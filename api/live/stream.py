"""One task as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from api.callers import Reader, visible_task
from api.documents import MISSING
from api.endpoints.common import RunningOrchestrator
from api.guard import GuardedRoute, may_stay
from api.live.briefs import brief
from api.live.socket import RECHECK_SECONDS
from api.paths import know_ids
from api.responses import to_json
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.callers import Caller, Scope
from vera_orchestrator.errors import VeraError
from vera_orchestrator.runtime.following import Update, UpdateKind, follow

KEEP_ALIVE_SECONDS = 15
PATIENCE_SECONDS = 10.0
PARTING_SECONDS = 1.0
SEPARATOR = "\n"
EXAMPLE = """event: task
data: {"id":"…","status":"running","progress":null}

event: text
id: 4f1c0a9be2d7-1
data: {"text":"The","offset":0}

event: text
id: 4f1c0a9be2d7-2
data: {"text":" answer","offset":3}

event: task
data: {"id":"…","status":"completed","progress":1.0}

event: end
id: end
data: {"success":true,"data":"The answer","error":null}
"""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `task`, `progress`, `text`, `tool_call`, `usage`, `error`, and last `end`.",
        "content": {"text/event-stream": {"example": EXAMPLE}},
    },
    204: {"description": "The reader has seen the end (`Last-Event-ID: end`): a browser stops to connect again."},
}
know_ids()
router = APIRouter(route_class=GuardedRoute, tags=["tasks"])


@router.get(
    "/tasks/{task_id:id}/events",
    response_class=Response,
    responses=STREAM | MISSING,
    summary="Follow a task",
)
async def events(
    request: Request,
    task_id: str,
    caller: Reader,
    orchestrator: RunningOrchestrator,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was read.")] = None,
) -> Response:
    """Tell a task's changes, progress, text, calls and use of tokens as they come, and its result at the end.

    Text comes in pieces where the payload has `stream`, or where somebody follows the task before its attempt begins;
    `offset` is where a piece begins, and 0 that the text begins anew. Whoever leaves does not cancel the task.
    """
    await visible_task(orchestrator, caller, task_id)
    if last_event_id == UpdateKind.END:
        return Response(status_code=204)
    leaving = anyio.Event()
    return EventSourceResponse(
        _events(request, orchestrator, caller, task_id, last_event_id, leaving),
        ping=KEEP_ALIVE_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="", sep=SEPARATOR),
        send_timeout=PATIENCE_SECONDS,
        shutdown_event=leaving,
        shutdown_grace_period=PARTING_SECONDS,
        sep=SEPARATOR,
    )


async def _events(
    request: Request,
    orchestrator: UnifiedOrchestrator,
    caller: Caller,
    task_id: str,
    after: str | None,
    leaving: anyio.Event,
) -> AsyncGenerator[ServerSentEvent]:
    fraction: float | None = None
    try:
        async with aclosing(follow(orchestrator, task_id, after)) as updates:
            async for update in _while_valid(updates, request, leaving):
                if update.task is not None and not caller.may_see(update.task.caller):
                    return  # another's task has the id by now
                fraction = update.fraction or fraction
                data = _data(orchestrator, update, fraction)
                yield ServerSentEvent(data.decode(), event=update.kind, id=update.place, sep=SEPARATOR)
    except VeraError as error:
        told = {"detail": error.message, "remedy": error.remedy}
        yield ServerSentEvent(to_json(told).decode(), event="error", sep=SEPARATOR)


async def _while_valid(
    updates: AsyncGenerator[Update], request: Request, leaving: anyio.Event
) -> AsyncGenerator[Update]:
    """Yield updates as long as the server stays and the key that they were asked for with is valid."""
    due = time.monotonic() + RECHECK_SECONDS
    parting = asyncio.ensure_future(leaving.wait())
    coming: asyncio.Future[Update | None] = asyncio.ensure_future(anext(updates, None))
    try:
        while not parting.done():
            timeout = max(0.0, due - time.monotonic())
            await asyncio.wait({coming, parting}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if time.monotonic() >= due:
                due = time.monotonic() + RECHECK_SECONDS
                if not await may_stay(request, Scope.READ):
                    return
            if coming.done():
                update = coming.result()
                if update is None:
                    return
                yield update
                coming = asyncio.ensure_future(anext(updates, None))
    finally:
        for one in (coming, parting):
            one.cancel()
        await asyncio.wait({coming, parting})


def _data(orchestrator: UnifiedOrchestrator, update: Update, fraction: float | None) -> bytes:
    if update.task is not None:
        return brief(orchestrator, update.task, fraction)
    chunk = update.chunk
    match update.kind:
        case UpdateKind.PROGRESS:
            return to_json({"fraction": update.fraction})
        case UpdateKind.TEXT:
            return to_json({"text": chunk.text if chunk is not None else "", "offset": update.offset})
        case UpdateKind.TOOL_CALL:
            return to_json(chunk.tool_call if chunk is not None else None)
        case UpdateKind.USAGE:
            return to_json(chunk.usage if chunk is not None else None)
        case _:
            return to_json(update.result.to_dict() if update.result is not None else None)
