"""An orchestrator and its API in this process, from the first request to the last task."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.command.ending import Ending
from api.command.protocol import BoundedHttp
from api.hosting import shutdown_orchestrator
from BackgroundCognition.orchestrator import UnifiedOrchestrator

IDLE_SECONDS = 75
"""How long an unused connection stays: longer than clients keep theirs, so that none is closed as it is used again."""
LAST_REQUESTS_SECONDS = 5
LARGEST_MESSAGE = 65_536
"""Bytes that a WebSocket client may send at a time: it only says what it wants to hear."""


class Server(uvicorn.Server):
    """Serves, and leaves signals to its caller."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                http=BoundedHttp,
                proxy_headers=False,  # who speaks for others is told apart by these very headers
                server_header=False,
                ws_max_size=LARGEST_MESSAGE,
                ws_per_message_deflate=False,  # a message is made once for all, and would be compressed for each
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
            )
        )
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


@contextlib.asynccontextmanager
async def serving(
    orchestrator: UnifiedOrchestrator, listening: socket.socket, ending: Ending, on_end: Callable[[], None]
) -> AsyncGenerator[FastAPI]:
    """Start an orchestrator and serve it while the block lasts.

    At the end running tasks may finish, and who waits for them gets their results, before the server goes. Raises Ended
    if the end is asked for during the start, and whatever keeps the orchestrator from starting.
    """
    app = create_app(orchestrator)
    await ending.or_result(orchestrator.start())
    server = Server(app)
    running = asyncio.create_task(server.serve([listening]), name="vera-server")
    try:
        up = asyncio.create_task(server.is_up.wait())
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if running.done():
            running.result()
        yield app
    finally:
        on_end()
        await shutdown_orchestrator(app)  # so that no request starts it again
        await orchestrator.stop()
        server.should_exit = True
        await running
