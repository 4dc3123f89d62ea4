"""Workers whose tasks use what is limited or costs money."""

from __future__ import annotations

from abc import abstractmethod

from vera_orchestrator.metering import Channel, Demand
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.workers.base import BaseWorker


class MeteredWorker(BaseWorker):
    """A worker that says before each attempt what it may use at most, and afterwards what it has used.

    `caps_output` is set by the orchestrator where limits hold that the worker does not know of: then every call must be
    sent in a form that keeps to the amounts of its demand.
    """

    caps_output: bool = False

    @abstractmethod
    async def demand(self, task: Task) -> Demand:
        """Return the most that an attempt may use, for a payload without placeholders; sends nothing.

        Raises what `attempt` would raise for the payload.
        """

    @abstractmethod
    async def attempt(self, task: Task, channel: Channel) -> TaskResult:
        """Run one attempt as `execute_task` does, and report to the channel what is used as soon as it is known."""

    def cache_key(self, task: Task) -> str | None:
        """Return what names the answer, whichever worker gives it, for a task that may be given a kept one.

        Takes the payload as the task names it, before a model was chosen; None where no answer is to be kept.
        """
        del task
        return None

    async def execute_task(self, task: Task) -> TaskResult:
        """Run one attempt of which nobody keeps account."""
        return await self.attempt(task, Channel())
