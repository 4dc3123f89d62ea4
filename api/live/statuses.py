"""The status, and when it says something new."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from api.live.readers import Reader
from api.responses import to_json
from vera_orchestrator.runtime.events import Event, TaskEvent, TaskEventKind

LOOK_SECONDS = 0.2
"""What happens within this time is told at once."""
REPEAT_SECONDS = 1.5
Status = dict[str, Any]


class StatusFeed:
    """The newest status as JSON, made once for all readers."""

    def __init__(self, read: Callable[[], Status]) -> None:
        self._read = read
        self._told: Status | None = None
        self._told_at = self._read_at = float("-inf")
        self._is_stale = True
        self._text = ""
        self.version = 0

    def hear(self, event: Event) -> None:
        """Note that there may be a new one."""
        if not (isinstance(event, TaskEvent) and event.kind is TaskEventKind.PROGRESS):
            self._is_stale = True

    def look(self, now: float) -> None:
        """Make a new one if something has happened, or if the last is old."""
        if self._is_stale or now - self._told_at >= REPEAT_SECONDS:
            self._make(now)

    def _make(self, now: float) -> None:
        self._is_stale, self._read_at = False, now
        status = self._read()
        if is_news(self._told, status, now - self._told_at):
            self._told, self._told_at = status, now
            self._text = to_json(status).decode()
            self.version += 1

    def join(self, reader: Reader) -> None:
        """See to it that a new reader gets one at once."""
        now = time.monotonic()
        if now - self._read_at >= LOOK_SECONDS:
            self._make(now)
        reader.seen_status = 0

    def next(self, reader: Reader) -> str | None:
        """Return what a reader has not seen."""
        if reader.seen_status == self.version:
            return None
        reader.seen_status = self.version
        return self._text


def is_news(told: Status | None, status: Status, seconds: float) -> bool:
    """Return whether a status says something new, or the last one was told long enough ago."""
    return told is None or seconds >= REPEAT_SECONDS or _lasting(status) != _lasting(told)


def _lasting(status: Status) -> Status:
    """Return a status without the times that never stand still."""
    workers = {name: value for name, value in status["workers"].items() if name != "timestamp"}
    waiting = {name: queue["waiting"] for name, queue in status["queues"].items()}
    return {**status, "uptime_seconds": None, "workers": workers, "queues": waiting}
