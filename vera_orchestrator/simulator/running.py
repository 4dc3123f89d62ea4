"""Serving the simulator, in this thread or beside it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from vera_orchestrator.simulator.server import create_app
from vera_orchestrator.simulator.simulator import Simulator

HOST = "127.0.0.1"
_STOP_SECONDS = 1
_BACKLOG = 1_024


@dataclass(frozen=True, kw_only=True)
class Running:
    """A simulator that is served."""

    url: str
    """Its address, without a path and without a slash at the end."""
    simulator: Simulator


@contextmanager
def serving(simulator: Simulator | None = None, *, port: int = 0) -> Generator[Running, None, None]:
    """Serve a simulator on loopback from a thread of its own; port 0 is a free one.

    Requests that come before it is ready wait. Raises OSError for a port that is taken.
    """
    simulator = simulator or Simulator()
    listening = listen(port)
    server = uvicorn.Server(_config(simulator))
    thread = threading.Thread(target=server.run, args=([listening],), name="simulator", daemon=True)
    thread.start()
    try:
        yield Running(url=address(listening), simulator=simulator)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def serve(simulator: Simulator, listening: socket.socket) -> None:
    """Serve a simulator in this thread until SIGINT or SIGTERM."""
    uvicorn.Server(_config(simulator)).run([listening])


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; port 0 is a free one. Raises OSError for a port that is taken."""
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it each response takes 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def address(listening: socket.socket) -> str:
    """Return the address of a socket that listens."""
    return f"http://{HOST}:{listening.getsockname()[1]}"


def _config(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(simulator),
        http="h11",  # one and the same everywhere, as wire.py reaches below it
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
