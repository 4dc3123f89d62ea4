"""One HTTP/1.1 reply as it comes in (RFC 9112): pure, and strict where a mistake could mix up two replies."""

from __future__ import annotations

import re

MOST_HEAD = 65_536
MOST_LINE = 4_096
_STATUS = re.compile(r"HTTP/1\.([01]) (\d{3})(?: |$)")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_END = b"\r\n\r\n"


class ReplyBroken(Exception):
    """What came is no reply."""


class Reply:
    """Takes in the bytes of one reply, until `is_whole`.

    `headers` are in lower case, several of one name joined. `may_go_on` says whether the connection may be used again.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_whole = False
        self.may_go_on = False
        self._buffer = bytearray()
        self._length: int | None = None
        self._is_chunked = False

    def feed(self, data: bytes) -> None:
        """Take in what came; raises ReplyBroken."""
        if self.is_whole:
            raise ReplyBroken("more than one reply")
        self._buffer += data
        while not self.status:
            if not self._read_head():
                return
        if self._is_chunked:
            self._read_chunks()
        elif self._length is None:
            self._take(len(self._buffer))
        else:
            self._take(min(len(self._buffer), self._length - len(self.body)))
            if len(self.body) == self._length:
                self._finish()

    def end(self) -> None:
        """Take in that the connection has ended; raises ReplyBroken unless that completes the reply."""
        if self.is_whole:
            return
        if not self.status or self._is_chunked or self._length is not None:
            raise ReplyBroken("the connection ended too early")
        self.is_whole = True

    def _read_head(self) -> bool:
        """Read the head once it is there; one of the statuses 100 to 199 is passed over."""
        end = self._buffer.find(_END)
        if end > MOST_HEAD or (end < 0 and len(self._buffer) > MOST_HEAD):
            raise ReplyBroken("the head is too long")
        if end < 0:
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + len(_END)]
        found = _STATUS.match(first)
        if found is None or found[2] < "100":
            raise ReplyBroken("it does not begin as HTTP/1.1 does")
        headers = _headers(lines)
        status = int(found[2])
        if status == 101:
            raise ReplyBroken("the protocol was changed")
        if status > 199:
            self.status, self.headers = status, headers
            self._find_framing(is_old=found[1] == "0")
        return True

    def _find_framing(self, *, is_old: bool) -> None:
        headers = self.headers
        connection = headers.get("connection", "").lower()
        self.may_go_on = "keep-alive" in connection if is_old else "close" not in connection
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if self.status in (204, 304):
            self._length = 0
        elif coding is not None:
            if coding.strip().lower() != "chunked":
                raise ReplyBroken("an unknown transfer coding")
            self._is_chunked = True
            self.may_go_on &= length is None
        elif length is not None:
            lengths = {one.strip() for one in length.split(",")}
            text = lengths.pop()
            if lengths or not (text.isascii() and text.isdecimal()):
                raise ReplyBroken("a length that is none")
            self._length = int(text)
        else:
            self.may_go_on = False

    def _read_chunks(self) -> None:
        while (end := self._buffer.find(b"\r\n", 0, MOST_LINE)) >= 0:
            text = bytes(self._buffer[:end]).partition(b";")[0].strip()
            if _SIZE.fullmatch(text) is None:
                raise ReplyBroken("a chunk without its size")
            size = int(text, 16)
            if not size:
                self._read_trailer(end)
                return
            begin = end + 2
            if len(self._buffer) < begin + size + 2:
                return
            if not self._buffer.startswith(b"\r\n", begin + size):
                raise ReplyBroken("a chunk of another size")
            self.body += self._buffer[begin : begin + size]
            del self._buffer[: begin + size + 2]
        if len(self._buffer) >= MOST_LINE:
            raise ReplyBroken("a chunk without its size")

    def _read_trailer(self, begin: int) -> None:
        end = self._buffer.find(_END, begin)
        if end >= 0:
            del self._buffer[: end + len(_END)]
            self._finish()
        elif len(self._buffer) > MOST_HEAD:
            raise ReplyBroken("the trailer is too long")

    def _take(self, count: int) -> None:
        self.body += self._buffer[:count]
        del self._buffer[:count]

    def _finish(self) -> None:
        self.is_whole = True
        self.may_go_on &= not self._buffer


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _NAME.fullmatch(name) is None:
            raise ReplyBroken("a header without a name")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
