"""Stop: let running tasks end, and break off those that take too long."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from vera_orchestrator.runtime.dispatcher import Dispatcher

SETTLE_SECONDS = 10.0
logger = logging.getLogger(__name__)


async def drain(dispatcher: Dispatcher, seconds: float) -> None:
    """Wait up to `seconds` for the running tasks of a dispatcher on hold, break the others off, and let all settle.

    Tasks that only wait for other tasks are broken off as soon as no other runs: what they wait for will not start. A
    step that has not ended SETTLE_SECONDS after that is left behind.
    """
    deadline = time.monotonic() + seconds
    while (working := _working(dispatcher)) and (left := deadline - time.monotonic()) > 0:
        logger.info("waiting up to %.3g s for %d running tasks", left, len(working))
        await asyncio.wait(working, timeout=left)
    deadline = time.monotonic() + SETTLE_SECONDS
    while dispatcher.unsettled and (left := deadline - time.monotonic()) > 0:
        for entry in list(dispatcher.active):
            if entry.execution is not None and not entry.execution.cancelling():
                entry.execution.cancel()
        await asyncio.wait(dispatcher.unsettled, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    if dispatcher.unsettled:
        logger.error("%d tasks did not let themselves be broken off", len(dispatcher.unsettled))
    for step in dispatcher.unsettled:
        step.cancel()


def _working(dispatcher: Dispatcher) -> set[asyncio.Task[Any]]:
    return {
        entry.execution
        for entry, seat in dispatcher.active.items()
        if seat.worker.occupies_slot and entry.execution is not None
    }
