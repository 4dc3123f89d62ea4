"""Runs a task that is a batch of further tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from vera_orchestrator.callers import own_key
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.models import ParallelBatch, Task, TaskResult, WorkerConfig
from vera_orchestrator.payloads import BatchPayload
from vera_orchestrator.task_json import task_from_json
from vera_orchestrator.workers.base import BaseWorker


class Batcher(Protocol):
    """What the worker needs of an orchestrator."""

    @property
    def is_running(self) -> bool:
        """Whether it is neither stopped nor on its way there."""
        ...

    async def submit_batch(
        self,
        tasks: Sequence[Task],
        execute_parallel: bool = True,
        *,
        batch_id: str | None = None,
        name: str | None = None,
    ) -> object:
        """Accept a batch."""
        ...

    async def get_batch(self, batch_id: str) -> ParallelBatch | None:
        """Return a batch."""
        ...

    async def wait_for_batch(self, batch_id: str) -> list[TaskResult]:
        """Return the results of a batch once it has ended."""
        ...

    async def cancel_batch(self, batch_id: str) -> int:
        """Cancel a batch."""
        ...

    async def retry_batch(self, batch_id: str) -> list[str]:
        """Run what did not succeed of a batch again."""
        ...


class ParallelBatchWorker(BaseWorker):
    """Submits the tasks of a payload as a batch, for the same caller, and waits for it.

    The inner batch has an id made from the task's, so that a repeated attempt finds it instead of running it twice. Its
    result is the list of the results, and it succeeds if all of them do.
    """

    occupies_slot: ClassVar[bool] = False

    def __init__(self, batcher: Batcher, worker_id: str = "batches", config: WorkerConfig | None = None) -> None:
        super().__init__(worker_id, ["parallel_batch"], config or WorkerConfig(max_concurrent_tasks=1_000))
        self._batcher = batcher

    async def start(self) -> bool:
        """Be ready."""
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        """Be away."""
        self.status = WorkerStatus.OFFLINE
        return True

    async def health_check(self) -> bool:
        """Return True: nothing can fail here."""
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        """Run the inner batch; raises InvalidPayload, naming the inner task, or what `submit_batch` raises."""
        payload = BatchPayload.model_validate(task.payload)
        batch_id = inner_batch_id(task)
        earlier = await self._batcher.get_batch(batch_id)
        asked_again = task.retry_count == 0  # by its user; after an interruption what has ended stays as it is
        if earlier is not None and asked_again and earlier.status in (TaskStatus.FAILED, TaskStatus.CANCELLED):
            await self._batcher.retry_batch(batch_id)
        if earlier is None:
            tasks = [_inner(task, number, fields) for number, fields in enumerate(payload.tasks)]
            await self._batcher.submit_batch(
                tasks, payload.execute_parallel, batch_id=batch_id, name=f"batch of {task.id}"
            )
        try:
            results = await self._batcher.wait_for_batch(batch_id)
        except BaseException:
            if self._batcher.is_running:  # else this task and the inner batch go on after the next start
                await self._batcher.cancel_batch(batch_id)
            raise
        return _combined(results, batch_id)


def inner_batch_id(task: Task) -> str:
    """Return the id of the batch inside a task: the same at each attempt."""
    submitted = task.submitted_at.timestamp() if task.submitted_at else 0.0
    return f"{task.id}/{submitted:.6f}"


def _inner(outer: Task, number: int, fields: dict[str, Any]) -> Task:
    try:
        task = task_from_json(fields)
    except ValueError as error:
        raise InvalidPayload(str(error), field=f"payload.tasks.{number}") from error
    task.caller = outer.caller
    if task.idempotency_key is not None:
        task.idempotency_key = own_key(outer.caller, task.idempotency_key)
    is_free = outer.caller is None and task.fairness_key is not None  # else their turns are those of the whole
    task.fairness_key = task.fairness_key if is_free else outer.fairness_key
    return task


def _combined(results: list[TaskResult], batch_id: str) -> TaskResult:
    failed = [result.error or "failed" for result in results if not result.success]
    return TaskResult(
        success=not failed,
        data=[result.to_dict() for result in results],
        error=f"{len(failed)} of {len(results)} tasks did not succeed: {failed[0]}" if failed else None,
        metrics={"batch_id": batch_id},
        retryable=False,  # each inner task had retries of its own
    )
