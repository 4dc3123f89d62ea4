"""The status over a WebSocket, and events for whoever subscribes to them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access import spoken
from api.errors import problem_of
from api.guard import enter, may_stay
from api.hosting import hosting_of
from api.live.hub import Show, hub_of
from api.live.readers import Reader
from api.live.wishes import wish_of
from api.responses import to_json
from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import VeraError

PATIENCE_SECONDS = 10.0
"""How long one message may take to send; whoever takes longer has stopped reading, and is dropped."""
PARTING_SECONDS = 1.0
RECHECK_SECONDS = 30.0
"""How often a key is looked at again while its connection is open."""
TRY_AGAIN_LATER = 1013
POLICY_VIOLATION = 1008

router = APIRouter()


@router.websocket("/ws/status")
async def status_socket(websocket: WebSocket) -> None:
    """Send the status at once, then when it changes, and at least every 2 s; events to clients that subscribe."""
    caller = await enter(websocket, Scope.READ)
    if caller is None:
        return
    try:
        orchestrator = await hosting_of(websocket.app).ready()
    except VeraError as error:
        await websocket.send_denial_response(problem_of(error))
        return
    await websocket.accept(spoken(websocket))
    hub = hub_of(websocket.app, orchestrator)
    reader = Reader(caller=caller)
    show = hub.join(reader)
    try:
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(_send(websocket, show, reader))]
            if caller.id is not None:
                beside.append(group.create_task(_check(websocket)))
            await _heed(websocket, show, reader)
            for task in beside:
                task.cancel()
    except* TimeoutError:
        hub.leave(reader)
        await drop(websocket)
    finally:
        hub.leave(reader)


async def _send(websocket: WebSocket, show: Show, reader: Reader) -> None:
    """Send a reader what there is for it; raises TimeoutError if it does not read."""
    while True:
        await reader.woken.wait()
        reader.woken.clear()
        while (text := show.next(reader)) is not None:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                return  # it has gone, which the reader of this socket sees too, and ends it


async def _heed(websocket: WebSocket, show: Show, reader: Reader) -> None:
    """Do what the client asks for, until it goes."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        try:
            await show.wish(reader, wish_of(message.get("text")))
        except VeraError as error:
            told = {"event": "error", "detail": error.message, "field": error.field, "remedy": error.remedy}
            await reader.reply(to_json(told).decode())


async def _check(websocket: WebSocket) -> None:
    """Send a client away whose key is no longer valid."""
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        if not await may_stay(websocket, Scope.READ):
            with suppress(WebSocketDisconnect, RuntimeError):
                await websocket.close(POLICY_VIOLATION, "the key is no longer valid")
            return


async def drop(websocket: WebSocket) -> None:
    """Close a socket whose client has stopped reading, and may not even take that."""
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(PARTING_SECONDS):
            await websocket.close(TRY_AGAIN_LATER, "messages were not read")
