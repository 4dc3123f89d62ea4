"""The server of `vera up` by itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from fastapi import FastAPI, Request

from api.command.protocol import LARGEST_HEAD
from api.command.serving import Server

ENDLESS = {
    "header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
    "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-More: 1\r\n" * LARGEST_HEAD,
    "address": b"GET /",
    "trailer": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Long: ",
    "size of a piece": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
}


async def names_of(request: Request) -> dict[str, list[str]]:
    await request.body()
    return {"names": [*request.headers]}


@asynccontextmanager
async def listening() -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a connection to a server of an app that shows the names of the headers at /headers."""
    app = FastAPI()
    app.post("/headers")(names_of)
    server = Server(app)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_up.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await serving


@pytest.mark.parametrize("beginning", ENDLESS.values(), ids=ENDLESS)
async def test_what_does_not_end_is_cut_off(beginning: bytes) -> None:
    async with listening() as (reader, writer):
        writer.write(beginning + b"x" * (2 * LARGEST_HEAD))
        with suppress(ConnectionResetError):  # for what it has not read
            answer = await asyncio.wait_for(reader.read(), 20)
            assert not answer or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 404", b"HTTP/1.1 400"))


async def test_a_large_body_and_many_requests_are_no_head() -> None:
    async with listening() as (reader, writer):
        body = b"x" * (3 * LARGEST_HEAD)
        writer.write(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert (await asyncio.wait_for(reader.readuntil(b"}"), 20)).startswith(b"HTTP/1.1 404")
        request = b"GET /a HTTP/1.1\r\nHost: localhost\r\nX-Some: " + b"x" * 10_000 + b"\r\n\r\n"
        for _ in range(2 * LARGEST_HEAD // len(request)):
            writer.write(request)
            assert (await asyncio.wait_for(reader.readuntil(b"}"), 20)).startswith(b"HTTP/1.1 404")


async def test_trailers_are_no_headers() -> None:
    async with listening() as (reader, writer):
        head = b"POST /headers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)

    assert answer.endswith(b'{"names":["host","transfer-encoding"]}')
