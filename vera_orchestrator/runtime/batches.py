"""The batches that this process is in charge of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import ParallelBatch, Task


@dataclass(eq=False, slots=True, kw_only=True)
class BatchState:
    """A batch that has not ended. `tasks` are all of its tasks by row key, in order; `open` those that go on.

    `is_cancelled` says whether all that goes on has been told to end.
    """

    key: int
    batch: ParallelBatch
    tasks: dict[int, Task]
    open: set[int]
    is_cancelled: bool = False
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batches:
    """Batches by row key and by id."""

    def __init__(self) -> None:
        self._by_key: dict[int, BatchState] = {}
        self._by_id: dict[str, BatchState] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[BatchState]:
        return iter(list(self._by_key.values()))

    def add(self, state: BatchState) -> None:
        """Take charge of a batch."""
        self._by_key[state.key] = state
        self._by_id[state.batch.id] = state

    def get(self, key: int | None) -> BatchState | None:
        """Return a batch by row key."""
        return None if key is None else self._by_key.get(key)

    def find(self, batch_id: str) -> BatchState | None:
        """Return a batch by id."""
        return self._by_id.get(batch_id)

    def drop(self, state: BatchState) -> None:
        """Let go of a batch, and of no other with its id."""
        self._by_key.pop(state.key, None)
        if self._by_id.get(state.batch.id) is state:
            del self._by_id[state.batch.id]


def batch_status(tasks: Iterable[Task]) -> TaskStatus:
    """Return how a batch stands: running until all have ended, then failed, cancelled or completed."""
    return status_of(task.status for task in tasks)


def status_of(tasks: Iterable[TaskStatus]) -> TaskStatus:
    """Return how a batch stands whose tasks stand so."""
    statuses = set(tasks)
    if any(not status.is_final for status in statuses):
        return TaskStatus.RUNNING
    for status in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        if status in statuses:
            return status
    return TaskStatus.COMPLETED
