"""Runs no-ops with raw Prefect and measures."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prefect import flow

from benchmarks.prefect_noop import noop
from benchmarks.serving import serve

WAIT_SECONDS = 120
RUNS_PER_FLOW = 1_000


@flow
async def one_after_the_other(count: int) -> list[float]:
    """Await `count` tasks inside this flow; milliseconds for each."""
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await noop()
        times.append((time.perf_counter() - began) * 1e3)
    return times


@flow
async def all_at_once(count: int) -> float:
    """Gather `count` tasks inside this flow; seconds for all."""
    began = time.perf_counter()
    await asyncio.gather(*(noop() for _ in range(count)))
    return time.perf_counter() - began


async def latency(count: int, way: str) -> dict[str, Any]:
    """Measure one way: `delay` to the task worker, or awaited in a `flow`."""
    if way == "flow":
        return {"ms": await one_after_the_other(count)}
    return {"ms": await asyncio.to_thread(_delays, count)}


def _delays(count: int) -> list[float]:
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        future = noop.delay()
        future.wait(timeout=WAIT_SECONDS)
        times.append((time.perf_counter() - began) * 1e3)
        if not future.state.is_completed():
            raise RuntimeError(f"a delayed task ended as {future.state}")
    return times


async def batch(count: int) -> dict[str, Any]:
    """Run `count` tasks at once in one flow; seconds, without the flow's own start and end."""
    return {"seconds": await all_at_once(count)}


async def fill(count: int) -> dict[str, Any]:
    """Leave `count` task runs on the server, in flows of 1,000."""
    began = time.perf_counter()
    for start in range(0, count, RUNS_PER_FLOW):
        await all_at_once(min(RUNS_PER_FLOW, count - start))
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    asyncio.run(serve({"latency": latency, "batch": batch, "fill": fill}))
