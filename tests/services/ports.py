"""Ports for servers that are killed and come back."""

from __future__ import annotations

import random
import socket

# below the ports that Linux gives to clients (from 32768): else a client could take the port of a server that is down
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at; raises OSError if none was found."""
    draw = random.SystemRandom()  # a seed that tests share would give all of them the same port
    for _ in range(TRIES):
        port = draw.randrange(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise OSError(f"no free port from {LOWEST} to {HIGHEST} in {TRIES} tries")


def is_free(port: int) -> bool:
    """Return whether a server could listen at this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, after connections just closed
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
