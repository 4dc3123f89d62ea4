"""The worker of the processes under test: it writes down who ran what under which fence."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Collection
from typing import Any

from tests.faults.load import ItemKind
from tests.faults.record import EventKind, Record
from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.workers.base import BaseWorker

SLOTS = 30


class Witness(BaseWorker):
    """Does what the payload says and gives back under which owner and fence it did.

    `entry_of` returns what this process knows of a task that it is in charge of; `limited` names the task types that
    have a limit.
    """

    def __init__(
        self, record: Record, entry_of: Callable[[str], Entry | None], *, limited: Collection[str] = ()
    ) -> None:
        config = WorkerConfig(max_concurrent_tasks=SLOTS)
        super().__init__(f"witness-{os.getpid()}", [WorkerCapability.CUSTOM], config)
        self._record = record
        self._entry_of = entry_of
        self._limited = limited
        self._runs = itertools.count()

    async def start(self) -> bool:
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        return True

    async def health_check(self) -> bool:
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        entry = self._entry_of(task.id)
        if entry is None:
            self._record.note(EventKind.SURPRISE, text=f"{task.id} runs and nobody is in charge of it")
            return TaskResult(success=False, error="nobody is in charge")
        run = f"{os.getpid()}-{next(self._runs)}"
        witnessed: dict[str, Any] = {"id": task.id, "run": run, "owner": entry.owner, "fence": entry.fence}
        limit = task.concurrency_key or (str(task.type) if task.type in self._limited else None)
        self._record.note(EventKind.BEGUN, **witnessed, retry=task.retry_count, limit=limit)
        try:
            await asyncio.sleep(task.payload["seconds"])
        finally:
            self._record.note(EventKind.OVER, id=task.id, run=run)
        self._check_given(task)
        if _fails(task):
            return TaskResult(success=False, error="as it shall")
        return TaskResult(success=True, data=witnessed)

    def _check_given(self, task: Task) -> None:
        """A task of a batch gets the ids of those that it depends on through their results."""
        for task_id, given in task.payload.get("given", {}).items():
            if given != task_id:
                self._record.note(EventKind.SURPRISE, text=f"{task.id} was given {given!r}, not the data of {task_id}")


def _fails(task: Task) -> bool:
    kind = task.payload["kind"]
    return kind == ItemKind.FAILING or (kind == ItemKind.FLAKY and task.retry_count == 0)
