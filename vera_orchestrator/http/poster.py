"""Posts to one server over connections that are kept.

For requests so frequent that a general client would cost more than all the rest. It knows neither proxies nor
redirects, and reads whole replies only.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import cast

import httpx2

from vera_orchestrator.http.reply import Reply, ReplyBroken

IDLE_SECONDS = 4.0
"""How long a connection is kept without a request: many servers close them after five seconds."""

MOST_IDLE = 100


class Poster:
    """Sends requests to one origin and raises httpx2's errors.

    It belongs to no event loop: connections of another one than that which runs are not used.
    """

    def __init__(self, origin: httpx2.URL, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self._host, self._port = origin.raw_host.decode("ascii"), origin.port or (443 if tls is not None else 80)
        self._tls = tls
        given = {"Host": origin.netloc.decode("ascii"), **headers}
        lines = [f"{name}: {value}\r\n" for name, value in given.items()]
        self._head = "".join(lines).encode("ascii")
        if self._head.count(b"\n") != len(given):
            raise ValueError("a header of more than one line")
        self._idle: list[_Wire] = []
        self._is_closed = False

    async def post(self, target: str, body: bytes, *, seconds: float, connect_seconds: float) -> Reply:
        """Send a body and return the whole reply, within a time."""
        try:
            async with asyncio.timeout(seconds):
                wire = self._take() or await self._connect(connect_seconds)
                return await self._exchange(wire, target, body)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole reply in time") from None

    async def close(self) -> None:
        """Close what is idle; what is in use is closed after its reply."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, wire: _Wire, target: str, body: bytes) -> Reply:
        head = f"POST {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n".encode("ascii")
        try:
            reply = await wire.exchange(b"".join((head, self._head, b"\r\n", body)))
        except BaseException:
            wire.close()
            raise
        if reply.may_go_on and wire.is_free and not self._is_closed and len(self._idle) < MOST_IDLE:
            wire.idle_since = wire.loop.time()
            self._idle.append(wire)
        else:
            wire.close()
        return reply

    def _take(self) -> _Wire | None:
        loop = asyncio.get_running_loop()
        while self._idle:
            wire = self._idle.pop()  # the one used last: the others may run out
            if wire.loop is loop and wire.is_free and loop.time() - wire.idle_since < IDLE_SECONDS:
                return wire
            wire.close()
        return None

    async def _connect(self, seconds: float) -> _Wire:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, wire = await loop.create_connection(
                    lambda: _Wire(loop),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls is not None else None,
                )
        except TimeoutError:
            raise httpx2.ConnectTimeout("no connection in time") from None
        except OSError as error:  # that of TLS is one
            raise httpx2.ConnectError(str(error)) from error
        return wire


class _Wire(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._reply: Reply | None = None
        self._answered: asyncio.Future[Reply] | None = None
        self._is_lost = False

    @property
    def is_free(self) -> bool:
        """Whether another request may be sent."""
        transport = self._transport
        is_open = transport is not None and not self._is_lost and not transport.is_closing()
        return is_open and transport is not None and not transport.get_write_buffer_size()

    async def exchange(self, request: bytes) -> Reply:
        """Send a request and return the reply to it."""
        assert self._transport is not None
        self._reply, self._answered = Reply(), self.loop.create_future()
        self._transport.write(request)
        try:
            return await self._answered
        finally:
            self._reply = self._answered = None

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own have no common base with asyncio's

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        reply, answered = self._reply, self._answered
        if reply is None or answered is None or answered.done():  # nobody has asked for this
            self._is_lost = True
            self.close()
            return
        try:
            reply.feed(data)
        except ReplyBroken as error:
            self._fail(httpx2.RemoteProtocolError(str(error)))
            return
        if reply.is_whole:
            answered.set_result(reply)

    def eof_received(self) -> None:
        """See asyncio."""
        self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._lost(exc)

    def _lost(self, error: Exception | None) -> None:
        self._is_lost = True
        reply, answered = self._reply, self._answered
        if reply is None or answered is None or answered.done():
            return
        if error is not None:
            self._fail(httpx2.ReadError(str(error)))
            return
        try:
            reply.end()
        except ReplyBroken as broken:
            self._fail(httpx2.RemoteProtocolError(str(broken)))
        else:
            reply.may_go_on = False
            answered.set_result(reply)

    def _fail(self, error: httpx2.TransportError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
