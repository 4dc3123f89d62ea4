"""Reading the body of an answer: never more than a limit, however well it is compressed."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from vera_orchestrator.errors import ResultTooLarge

ACCEPT_ENCODING = "gzip"
# other codecs of Python's are slow for long texts, or no encodings of text
CHARSETS = re.compile(
    r"(us-)?ascii|utf-?(8|16|32)|(iso-8859|windows)-\d+|cp\d+|koi8-[ru]|gbk?|gb2312|gb18030|big5|shift_jis|euc-(jp|kr)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A body as JSON data; `encoding` is base64 where it is neither JSON nor text."""

    data: Any
    encoding: str | None = None


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the body, decompressed, of an answer whose stream is open.

    Raises ResultTooLarge above `limit` bytes, without reading on, httpx.DecodingError if it is not compressed as the
    answer says, and what the stream raises.
    """
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit and response.request.method != "HEAD":
        _too_large(limit)
    body = bytearray()
    async for part in _decompressed(response, limit):
        body += part
        if len(body) > limit:
            _too_large(limit)
    return bytes(body)


async def _decompressed(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    if response.headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate"):
        async for part in response.aiter_raw():
            yield part
        return
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    empty = True
    async for part in response.aiter_raw():
        try:
            yield inflate.decompress(part, limit + 1)
        except zlib.error as error:
            raise httpx.DecodingError(f"The body is not compressed as announced: {error}.") from None
        empty = False
    if not (empty or inflate.eof):
        raise httpx.DecodingError("The compressed body ends too early.")


def decode(body: bytes, content_type: str) -> Decoded:
    """Return a body as JSON if its type says so and it is, else as text if it is, else in base64; None if empty."""
    if not body:
        return Decoded(data=None)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return Decoded(data=json.loads(body, parse_constant=_not_json))
        except (ValueError, RecursionError):
            pass  # what is no JSON is shown as the text it is
    text = _text(body, content_type)
    if text is None:
        return Decoded(data=base64.b64encode(body).decode("ascii"), encoding="base64")
    return Decoded(data=text)


def _text(body: bytes, content_type: str) -> str | None:
    found = re.search(r"""charset\s*=\s*["']?([\w.:-]+)""", content_type, re.IGNORECASE)
    charset = found[1] if found and CHARSETS.fullmatch(found[1]) else "utf-8"
    try:
        text = body.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\0" in text else text


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _too_large(limit: int) -> NoReturn:
    raise ResultTooLarge(
        f"The body of the answer is larger than {limit} bytes.",
        remedy="Ask for less, or raise http_max_bytes (VERA_HTTP_MAX_BYTES).",
    )
