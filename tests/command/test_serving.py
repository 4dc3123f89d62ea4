"""The server of `vera up` by itself."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from fastapi import FastAPI

from api.command.serving import LARGEST_HEAD, Server


async def test_headers_without_end_are_cut_off() -> None:
    server = Server(FastAPI())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_up.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (2 * LARGEST_HEAD))
        with suppress(ConnectionResetError):  # for what it has not read
            assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 400")
        writer.close()
        server.should_exit = True
        await serving
