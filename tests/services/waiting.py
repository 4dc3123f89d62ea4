"""Waiting for a server that has just been started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.services.errors import ServiceFailed, tail
from tests.services.processes import Process

BETWEEN = 0.02


def wait_until_it_answers(process: Process, answers: Callable[[], bool], *, log: Path, seconds: float = 30) -> None:
    """Come back when it answers; if it ends or takes too long, kill it and raise ServiceFailed with its log's end."""
    deadline = time.monotonic() + seconds
    while not answers():
        if process.ended(within=BETWEEN):
            raise ServiceFailed(f"it ended at once; {log} ends with:\n{tail(log)}")
        if time.monotonic() > deadline:
            process.kill()
            raise ServiceFailed(f"it does not answer after {seconds:.0f} s; {log} ends with:\n{tail(log)}")
