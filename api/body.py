"""The limit on the body of a request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message

from api.errors import Problem


class BodyTooLarge(Exception):
    """A body above the limit."""


def limited(request: Request, limit: int) -> Request:
    """Return the request with a body that raises BodyTooLarge beyond `limit` bytes, declared or counted."""
    declared = request.headers.get("content-length", "")
    received = 0

    async def receive() -> Message:
        nonlocal received
        # what is too much stays so for whoever asks again: there may be nothing more to wait for
        if received > limit or (declared.isdecimal() and int(declared) > limit):
            raise BodyTooLarge
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge
        return message

    return Request(request.scope, receive)


def too_large(limit: int) -> Problem:
    """Return the problem for a body above the limit. The connection ends: the rest of the body is not read."""
    return Problem(
        413,
        "body-too-large",
        f"the body has more than {limit:,} bytes.",
        field="body",
        remedy="Send less, or raise max_body_bytes (VERA_MAX_BODY_BYTES) on the server.",
        headers={"Connection": "close"},
    )
