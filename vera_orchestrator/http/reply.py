"""One HTTP/1.1 reply as it comes in, parsed by llhttp, and nothing kept of a head that does not end: pure."""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MOST_HEAD = 65_536
"""Bytes that may come before the body, between two pieces of it, or after it."""

FRAMING = frozenset({"transfer-encoding", "content-length"})


class ReplyBroken(Exception):
    """What came is no reply."""


class Reply:
    """Takes in the bytes of one reply, until `is_whole`; the statuses 100 to 199 are passed over.

    `headers` are in lower case, several of one name joined. `may_go_on` says whether the connection may be used again.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_whole = False
        self.may_go_on = False
        self._since_progress = 0
        self._parser: Any = HttpResponseParser(self)
        # a length beside the chunks: see `_framing`; some servers fill up the sizes of chunks
        self._parser.set_dangerous_leniencies(lenient_chunked_length=True, lenient_spaces_after_chunk_size=True)

    def feed(self, data: bytes) -> None:
        """Take in what came; raises ReplyBroken."""
        if self.is_whole:
            raise ReplyBroken("more than one reply")
        self._since_progress += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.may_go_on = False
            if not self.is_whole:  # what is behind a whole one harms only the next
                raise ReplyBroken(f"it is no HTTP/1.1: {error}") from error
        if self._since_progress > MOST_HEAD:
            raise ReplyBroken("its head or what is around its body is too long")
        if self.is_whole:
            self._parser = None  # they refer to each other

    def end(self) -> None:
        """Take in that the connection has ended; raises ReplyBroken unless that completes the reply."""
        if self.is_whole:
            return
        if not self.status or self._framing():
            raise ReplyBroken("the connection ended too early")
        self.is_whole = True

    def on_message_begin(self) -> None:
        """See httptools."""
        self.may_go_on = False  # if this is a second one

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if self.status:  # a trailer, or of a second reply
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """See httptools."""
        status: int = self._parser.get_status_code()
        if self.status:
            return
        if status < 200:
            self.headers.clear()
            return
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise ReplyBroken("an unknown transfer coding")
        self.status = status
        # with a length beside the chunks, others on the way may see another end
        self.may_go_on = self._parser.should_keep_alive() and len(self._framing()) < 2

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._since_progress = 0
        if self.status and not self.is_whole:
            self.body += body

    def on_message_complete(self) -> None:
        """See httptools."""
        self._since_progress = 0
        self.is_whole = self.status > 0

    def _framing(self) -> frozenset[str]:
        return FRAMING & self.headers.keys()
