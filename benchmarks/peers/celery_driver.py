"""Submits no-ops to a Celery worker and measures; runs in Celery's own environment."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from celery import group

from benchmarks.peers.celery_app import noop
from benchmarks.serving import serve

WAIT_SECONDS = 120


async def latency(count: int) -> dict[str, Any]:
    """Call `delay().get()` one after the other; times in milliseconds."""
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        noop.delay().get(timeout=WAIT_SECONDS)
        times.append((time.perf_counter() - began) * 1e3)
    return {"ms": times}


async def batch(count: int) -> dict[str, Any]:
    """Run one group of `count` tasks and get all results; seconds."""
    began = time.perf_counter()
    results = group(noop.s() for _ in range(count))().get(timeout=WAIT_SECONDS)
    seconds = time.perf_counter() - began
    if len(results) != count:
        raise RuntimeError(f"{len(results)} results for {count} tasks")
    return {"seconds": seconds}


async def fill(count: int) -> dict[str, Any]:
    """Leave the results of `count` tasks in Redis, by groups of 1,000."""
    began = time.perf_counter()
    for start in range(0, count, 1_000):
        await batch(min(1_000, count - start))
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    asyncio.run(serve({"latency": latency, "batch": batch, "fill": fill}))
