"""The schedule, as its readers see it."""

from __future__ import annotations

from typing import Any, Protocol


class HasMetrics(Protocol):
    """What the schedule is read from."""

    @property
    def metrics(self) -> dict[str, Any]:
        """Counts since the start."""
        ...


class SmartScheduler:
    """How many tasks wait and run. The order itself is decided in `scheduling.ReadyQueue`."""

    def __init__(self, source: HasMetrics) -> None:
        self._source = source

    @property
    def queued_tasks(self) -> int:
        """Tasks that wait."""
        return self._source.metrics["queued_tasks"]

    @property
    def active_tasks(self) -> int:
        """Tasks that run."""
        return self._source.metrics["active_tasks"]
