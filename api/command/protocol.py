"""HTTP as uvicorn speaks it with httptools, with a bound on what is kept of a head that does not end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 131_072
"""Bytes that are kept of a head, or of trailers, while their end does not come, whatever `max_header_bytes` says."""

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 23\r\nconnection: close\r\n\r\n"
    b"The head is too large.\n"
)


HEAD = b"HTTP/1.1 "


class Joining:
    """A transport that writes the head of a response together with the body that follows at once: one turn for both."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write what comes; a head not before the end of this turn of the loop."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data[: len(HEAD)] == HEAD:
            self._head = bytes(data)
            asyncio.get_running_loop().call_soon(self.flush)
            return
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        """End what is written."""
        self.flush()
        self._transport.write_eof()

    def flush(self) -> None:
        """Write the head, if it still waits."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():  # uvloop does not forgive that
            self._transport.write(head)

    def close(self) -> None:
        """Close it after what was written."""
        self.flush()
        self._transport.close()


class BoundedHttp(HttpToolsProtocol):
    """One connection; whoever sends headers or trailers without end is cut off, as httptools itself keeps them all.

    Trailers are left out: uvicorn would show them among the headers, which a proxy in front has looked at alone.
    """

    _since_progress = 0
    """Bytes that came since a piece of a body, or the end of a request."""
    _head_is_whole = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See asyncio."""
        super().connection_made(cast("asyncio.Transport", Joining(transport)))

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._since_progress += len(data)
        super().data_received(data)
        if self._since_progress > LARGEST_HEAD and not self.transport.is_closing():
            self.logger.warning("A request was cut off: its head has more than %s bytes.", LARGEST_HEAD)
            cycle = cast("RequestResponseCycle | None", self.cycle)
            if cycle is None or cycle.response_complete:
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._head_is_whole = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if not self._head_is_whole:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._head_is_whole = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._since_progress = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._since_progress = 0
        super().on_message_complete()
