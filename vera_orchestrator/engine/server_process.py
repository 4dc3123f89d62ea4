"""The process of the embedded Prefect server; its supervisor starts it with the number of a listening socket.

It serves what `prefect server start` serves, on a socket that outlives it: the port stays the same when it is
restarted, and requests that come meanwhile wait instead of being refused. It ends when its standard input does, which
the kernel closes with the supervisor.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from contextlib import nullcontext

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from vera_orchestrator.engine.backing import DRIVER
from vera_orchestrator.engine.postgres import turn

STOP_SECONDS = 3


class PrefectServer(uvicorn.Server):
    """A server that collects no garbage until it is up: nothing of what it loads is garbage (a tenth of the start).

    On a PostgreSQL database it starts when no other server does so.
    """

    def __init__(self, config: uvicorn.Config, database_url: str) -> None:
        super().__init__(config)
        self._database_url = database_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve."""
        async with turn(self._database_url) if self._database_url.startswith(DRIVER) else nullcontext():
            await super().startup(sockets)
        gc.freeze()
        gc.enable()


def main(descriptor: int) -> None:
    """Serve Prefect's API and UI, with its services, until SIGTERM or the end of the standard input."""
    threading.Thread(target=_end_with_supervisor, name="lifeline", daemon=True).start()
    gc.disable()
    # Prefect reads its settings when it is imported, which takes seconds: only after the lifeline is there.
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    settings = get_current_settings().server
    api = settings.api
    config = uvicorn.Config(
        create_app(final=True),
        log_level="warning",
        timeout_keep_alive=api.keepalive_timeout,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
    )
    assert settings.database.connection_url is not None
    server = PrefectServer(config, settings.database.connection_url.get_secret_value())
    server.run(sockets=[socket.socket(fileno=descriptor)])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _end_with_supervisor() -> None:
    # Not through sys.stdin: a thread that waits in it makes Python abort at exit.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(STOP_SECONDS + 1, os._exit, [1]).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
