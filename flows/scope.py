"""Which unfinished tasks without an owner a flow run may take charge of: its own."""

from __future__ import annotations

import orjson

from vera_orchestrator.enums import TaskType
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.runtime.codec import decode_task
from vera_orchestrator.workers.parallel_batch import inner_batch_id


class OwnRows:
    """The task, or the tasks of the batch, that a flow run is for, and those of the batches inside them.

    Rows are to be asked about in the order of their keys: a task comes before what it contains.
    """

    def __init__(self, *, task_id: str | None = None, batch_id: str | None = None) -> None:
        self._task_id = task_id
        self._batches = set[str]() if batch_id is None else {batch_id}

    def __call__(self, row: TaskRow) -> bool:
        """Whether the row is the flow run's own."""
        batch_id = orjson.loads(row.spec).get("batch_id")
        own = batch_id in self._batches or (batch_id is None and row.id == self._task_id)
        if own and row.type == TaskType.PARALLEL_BATCH:
            self._batches.add(inner_batch_id(decode_task(row)[0]))
        return own
