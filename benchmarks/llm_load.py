"""The load that all subjects of the benchmark of language models get: so many callers, each with one request at a time.

Standard library only, apart from what a caller's `once` brings along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

MODEL = "tiny"
MAX_TOKENS = 8
KEY = "none-needed"
SLOTS = 64
PLENTY = 10_000_000
PER_MINUTE = 1_000_000
"""Limits that hold and are never reached."""


def prompt(number: int) -> str:
    """Return a short prompt of its own for each request, so that nobody can answer from a cache."""
    return f"Request {number}: say something about the number {number}."


class Load:
    """Offers requests; `once` sends one prompt and raises where the answer is not whole.

    Numbers go on from one measurement to the next.
    """

    def __init__(self, once: Callable[[str], Awaitable[None]]) -> None:
        self._once = once
        self._number = 0

    async def offer(self, count: int, at_a_time: int) -> dict[str, Any]:
        """Send `count` requests, `at_a_time` at once; seconds for all, milliseconds for each."""
        times: list[float] = []
        first = self._number
        self._number += count
        left = iter(range(first, first + count))

        async def caller() -> None:
            for number in left:
                began = time.perf_counter()
                await self._once(prompt(number))
                times.append((time.perf_counter() - began) * 1e3)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as callers:
            for _ in range(at_a_time):
                callers.create_task(caller())
        return {"seconds": time.perf_counter() - began, "ms": times}
