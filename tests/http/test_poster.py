"""Posts over kept connections, to servers that behave in all ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.http.server import free_port
from vera_orchestrator.http.poster import Poster

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass
class Scripted:
    """A server that answers the requests of all connections with these texts in turn; None closes without one."""

    answers: list[bytes | None]
    seen: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                self.seen.append(head + await reader.readexactly(length))
                self.asked.set()
                answer = self.answers.pop(0) if self.answers else b""
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def posting(
    *answers: bytes | None, seconds: float = 5
) -> AsyncGenerator[tuple[Scripted, Callable[[], asyncio.Task[bytes]]]]:
    server = Scripted([*answers])
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    poster = Poster(httpx2.URL(f"http://127.0.0.1:{port}/v1"), {"Authorization": "Bearer k"}, None)

    async def post() -> bytes:
        return bytes((await poster.post("/v1/chat", b'{"a":1}', seconds=seconds, connect_seconds=5)).body)

    try:
        yield server, lambda: asyncio.create_task(post())
    finally:
        await poster.close()
        running.close()
        for writer in server.writers:
            writer.close()


async def test_requests_go_over_one_connection_that_is_kept() -> None:
    async with posting(WHOLE, WHOLE) as (server, post):
        assert [await post(), await post()] == [b"ok", b"ok"]

        assert server.connections == 1
        assert server.seen[0].startswith(b"POST /v1/chat HTTP/1.1\r\n")
        assert b"\r\nHost: 127.0.0.1:" in server.seen[0]
        assert server.seen[0].endswith(b'\r\nAuthorization: Bearer k\r\n\r\n{"a":1}')


async def test_requests_at_once_have_a_connection_each() -> None:
    async with posting(WHOLE, WHOLE, WHOLE) as (server, post):
        assert await asyncio.gather(post(), post(), post()) == [b"ok"] * 3
        assert server.connections == 3


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async with posting(WHOLE, LAST, WHOLE) as (server, post):
        assert [await post(), await post(), await post()] == [b"ok"] * 3
        assert server.connections == 2


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async with posting(WHOLE, WHOLE) as (server, post):
        await post()
        server.writers[0].write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await server.ended.wait()

        assert await post() == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nConte", b"nonsense\r\n\r\n"])
async def test_a_reply_that_is_none_is_a_broken_connection(answer: bytes | None) -> None:
    async with posting(answer) as (server, post):
        waiting = post()
        if answer is not None and not answer.endswith(b"\r\n\r\n"):
            await server.asked.wait()
            server.writers[0].close()
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await waiting


async def test_who_gives_up_closes_the_connection() -> None:
    async with posting(b"HTTP/1.1 200 OK\r\n") as (server, post):
        waiting = post()
        await server.asked.wait()
        waiting.cancel()

        await server.ended.wait()
        assert waiting.done()


async def test_a_reply_that_does_not_come_in_time_is_late() -> None:
    async with posting(b"HTTP/1.1 200 OK\r\n", seconds=0.05) as (_, post):
        with pytest.raises(httpx2.ReadTimeout):
            await post()


async def test_nobody_there_is_a_failed_connection() -> None:
    poster = Poster(httpx2.URL(f"http://127.0.0.1:{free_port()}"), {}, None)

    with pytest.raises(httpx2.ConnectError):
        await poster.post("/", b"{}", seconds=5, connect_seconds=5)


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "é"])
def test_a_header_that_would_be_more_than_one_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        Poster(httpx2.URL("http://localhost"), {"Authorization": value}, None)
