"""Workers whose tasks use what is limited or costs money."""

from __future__ import annotations

from abc import abstractmethod

from vera_orchestrator.metering import Channel, Demand
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.workers.base import BaseWorker


class MeteredWorker(BaseWorker):
    """A worker that says before each attempt what it may use at most, and afterwards what it has used."""

    @abstractmethod
    async def demand(self, task: Task) -> Demand:
        """Return the most that an attempt may use, for a payload without placeholders; sends nothing.

        Raises what `attempt` would raise for the payload.
        """

    @abstractmethod
    async def attempt(self, task: Task, channel: Channel) -> TaskResult:
        """Run one attempt as `execute_task` does, and report to the channel what is used as soon as it is known."""

    async def execute_task(self, task: Task) -> TaskResult:
        """Run one attempt of which nobody keeps account."""
        return await self.attempt(task, Channel())
