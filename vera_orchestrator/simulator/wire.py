"""Bytes: the header that marks all responses, frames with pauses between them, connections that break."""

from __future__ import annotations

import socket
import struct
from asyncio import WriteTransport
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vera_orchestrator.simulator.settings import Fault
from vera_orchestrator.simulator.simulator import Ended

HEADER = (b"x-simulated", b"true")
MALFORMED = b'{"simulated": tru'
_TRANSPORT = "vera.transport"
_AT_ONCE = struct.pack("ii", 1, 0)


class Marked:
    """An app whose every response says that it is simulated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), HEADER]}
            await send(message)

        # ASGI has no word for breaking a connection off; under uvicorn `send` is a method of what holds it
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app({**scope, _TRANSPORT: transport}, receive, send_marked)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Some bytes of a body, and how many tokens of the answer they carry."""

    data: bytes
    tokens: int = 0


Told = Callable[[Ended, int], None]
"""Is told how a response ended and how many tokens were sent."""


def frames_before_fault(frames: Sequence[Frame], cut_after: int) -> int:
    """Return how many frames are sent if a fault comes after so many tokens; the last one never is."""
    tokens = 0
    for index, frame in enumerate(frames[:-1]):
        if tokens >= cut_after:
            return index
        tokens += frame.tokens
    return max(0, len(frames) - 1)


class Paced(Response):
    """A response in frames, with a pause per token; `fault`, if any, comes after all of them.

    A fault may be malformed, stream_error (then `last_words` are sent), hang, cut or reset.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        *,
        told: Told,
        pause: Callable[[int], Awaitable[None]],
        fault: Fault | None = None,
        last_words: bytes = b"",
        status: int = 200,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(None, status, headers, media_type)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._frames = frames
        self._told = told
        self._pause = pause
        self._fault = fault
        self._last_words = last_words

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, or what there is of it."""
        if self._fault in (Fault.HANG, Fault.RESET) and not self._frames:
            self._told(Ended.BROKEN, 0)
            await self._break(scope, receive)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        tokens, left = 0, Leaving(receive)
        for frame in self._frames:
            await self._pause(frame.tokens)
            if await left.happened():
                self._told(Ended.CLIENT_LEFT, tokens)
                return
            tokens += frame.tokens
            await send({"type": "http.response.body", "body": frame.data, "more_body": True})
        self._told(Ended.BROKEN if self._fault else Ended.ANSWERED, tokens)
        if self._fault in (Fault.HANG, Fault.CUT, Fault.RESET):
            await self._break(scope, receive)
            return
        await send({"type": "http.response.body", "body": self._last_words, "more_body": False})

    async def _break(self, scope: Scope, receive: Receive) -> None:
        transport: WriteTransport | None = scope.get(_TRANSPORT)
        if transport is not None and self._fault != Fault.HANG:
            if self._fault == Fault.RESET:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


class Leaving:
    """Whether the client has gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def happened(self) -> bool:
        """Look without waiting."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            self._gone = self._gone or (await self._receive())["type"] == "http.disconnect"
        return self._gone


def json_bytes(value: object) -> bytes:
    """Return a value as JSON, non-ASCII letters as they are."""
    return orjson.dumps(value)


def event(value: object, name: str | None = None) -> bytes:
    """Return a server-sent event with a JSON value."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json_bytes(value) + b"\n\n"


def line(value: object) -> bytes:
    """Return a line of NDJSON."""
    return json_bytes(value) + b"\n"
