"""The mark in the journal that a task has begun, left out where its end comes soon and says when that was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

MARK_SECONDS = 0.05
"""How long a task runs before it is marked as begun."""


@contextmanager
def marked_if_long(mark: Callable[[], Awaitable[bool]]) -> Generator[None]:
    """Let `mark` write, in the background, unless the block ends before MARK_SECONDS."""
    waiting = asyncio.get_running_loop().call_later(MARK_SECONDS, _write, mark)
    try:
        yield
    finally:
        waiting.cancel()


def _write(mark: Callable[[], Awaitable[bool]]) -> None:
    asyncio.ensure_future(mark()).add_done_callback(_unheeded)


def _unheeded(written: asyncio.Future[bool]) -> None:
    """Let nobody be told that a mark could not be written: the end of the task will be, or its next owner runs it."""
    if not written.cancelled():
        written.exception()
