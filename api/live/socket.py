"""The status over a WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access import spoken
from api.errors import problem_of
from api.guard import enter
from api.hosting import hosting_of
from api.responses import to_json
from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import VeraError

# what happens within this time is told at once; looking costs less than being told of every step of every task
LOOK_SECONDS = 0.2
REPEAT_SECONDS = 1.5

Status = dict[str, Any]
router = APIRouter()


@router.websocket("/ws/status")
async def status_socket(websocket: WebSocket) -> None:
    """Send the status at once, then when it changes, and at least every 2 s."""
    if await enter(websocket, Scope.READ) is None:
        return
    try:
        orchestrator = await hosting_of(websocket.app).ready()
    except VeraError as error:
        await websocket.send_denial_response(problem_of(error))
        return
    await websocket.accept(spoken(websocket))
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_send(websocket, orchestrator.get_status))
        await _closed(websocket)
        sending.cancel()


async def _send(websocket: WebSocket, read: Callable[[], Status]) -> None:
    try:
        async for status in updates(read):
            await websocket.send_text(to_json(status).decode())
    except WebSocketDisconnect:
        return  # the reader of this socket sees it too, and ends it


async def _closed(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def updates(read: Callable[[], Status]) -> AsyncIterator[Status]:
    """Yield the status now, and again when it has changed or `REPEAT_SECONDS` have passed.

    A slow consumer misses what lies between and gets the newest.
    """
    while True:
        told, told_at = read(), time.monotonic()
        yield told
        status = told
        while not is_news(told, status, time.monotonic() - told_at):
            await asyncio.sleep(LOOK_SECONDS)
            status = read()


def is_news(told: Status, status: Status, seconds: float) -> bool:
    """Return whether a status says something new, or the last one was told long enough ago."""
    return seconds >= REPEAT_SECONDS or _lasting(status) != _lasting(told)


def _lasting(status: Status) -> Status:
    """Return a status without the times that never stand still."""
    workers = {name: value for name, value in status["workers"].items() if name != "timestamp"}
    return {**status, "uptime_seconds": None, "workers": workers}
