"""A real server and clients of its WebSocket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection

from api import PREFIX, create_app
from BackgroundCognition.orchestrator import UnifiedOrchestrator


@asynccontextmanager
async def listening(orchestrator: UnifiedOrchestrator) -> AsyncGenerator[str]:
    """Serve an orchestrator on loopback while the block lasts; give the address of its WebSocket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(create_app(orchestrator), log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}{PREFIX}/ws/status"
        server.should_exit = True
        await serving


async def message_where(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the next message that `wanted` is true of."""
    async with asyncio.timeout(90):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if wanted(message):
                return message


async def status_where(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the next status that `wanted` is true of."""
    return await message_where(socket, lambda message: "event" not in message and wanted(message))


async def event_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next event of a kind."""
    return await message_where(socket, lambda message: message.get("event") == kind)


async def subscribe(socket: ClientConnection, *topics: str, **more: str) -> dict[str, Any]:
    """Subscribe, and return the answer."""
    await socket.send(json.dumps({"subscribe": topics, **more}))
    return await event_of(socket, "subscribed")


async def task_where(socket: ClientConnection, status: str) -> dict[str, Any]:
    """Return the next task that is told of with a status."""

    def has_it(message: dict[str, Any]) -> bool:
        return any(task["status"] == status for task in message.get("tasks", ()))

    told = await message_where(socket, has_it)
    return next(task for task in told["tasks"] if task["status"] == status)
