"""Writes of the in-memory journal: done at once, and told through an awaitable as those of the others are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vera_orchestrator.errors import VeraError

T = TypeVar("T")


def done(check: Callable[[], None], work: Callable[[], T]) -> Awaitable[T]:
    """Do the work now, unless the check raises; its outcome, errors included, comes through the awaitable."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    try:
        check()
        future.set_result(work())
    except VeraError as error:
        future.set_exception(error)
    return future
