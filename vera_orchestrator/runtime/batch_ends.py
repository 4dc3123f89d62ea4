"""The end of a batch: written, shown and told; and what is asked of other owners for that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from vera_orchestrator.engine.base import Engine, Outcome
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.runtime.batches import Batches, BatchState, batch_status
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.telling import BATCH, Telling

RETRIES = (0.05, 0.5, 2.0)
"""Seconds before each further try while the journal is away."""

logger = logging.getLogger(__name__)


class BatchEnds:
    """Ends the batches that this process is in charge of. `look_elsewhere` is called when others have their tasks."""

    def __init__(
        self,
        *,
        journal: Journal,
        engine: Engine,
        batches: Batches,
        live: LiveTasks,
        look_elsewhere: Callable[[], None],
        telling: Telling,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._batches = batches
        self._live = live
        self._look_elsewhere = look_elsewhere
        self._telling = telling

    async def ask_to_cancel(self, keys: Collection[int], reason: str) -> None:
        """Ask other owners to cancel their tasks of a batch, again while the journal is away for a moment."""
        for patience in (*RETRIES, None):
            try:
                await self._journal.ask_to_cancel(keys, reason)
                break
            except JournalUnavailable as error:
                if patience is None:
                    logger.error("%d tasks of a batch could not be cancelled: %s", len(keys), error)
                    break
                await asyncio.sleep(patience)
        self._look_elsewhere()

    async def end(self, state: BatchState) -> None:
        """Write that a batch has ended, unless some of its tasks have been put back meanwhile, and tell who waits."""
        for patience in (*RETRIES, None):
            status = batch_status(state.tasks.values())
            try:
                if not state.open and not await self._is_written(state, status):
                    await self._reopen(state)
                if state.open:  # some of its tasks have been put back meanwhile
                    return
                break
            except JournalUnavailable as error:
                logger.warning("the end of batch %s cannot be written: %s", state.batch.id, error)
                if patience is None:  # how its tasks ended is in the journal in any case
                    break
                await asyncio.sleep(patience)
        self._close(state, batch_status(state.tasks.values()))

    async def _is_written(self, state: BatchState, status: TaskStatus) -> bool:
        now = time.time()
        message = self._telling.message(BATCH, state.batch.webhook, key=state.key, status=status, at=now)
        if not await self._journal.batch_ended(state.key, status, now, message):
            return False
        if message is not None:
            self._telling.written()
        return True

    async def _reopen(self, state: BatchState) -> None:
        """Wait again for those of a batch's tasks that somebody has put back."""
        rows = await self._journal.batch_tasks(state.key)
        again = {row.key for row in rows if not row.status.is_final and row.key in state.tasks}
        for key in again:
            state.tasks[key].status, state.tasks[key].result = TaskStatus.QUEUED, None
            if self._live.get(key) is None:
                self._live.foreign[key] = state.tasks[key]
        state.open |= again
        self._look_elsewhere()

    def _close(self, state: BatchState, status: TaskStatus) -> None:
        state.batch.status = status
        self._batches.drop(state)
        failures = [task for task in state.tasks.values() if task.status is TaskStatus.FAILED]
        error = f"{len(failures)} of {len(state.tasks)} tasks failed" if failures else None
        self._engine.close_batch(state.key, Outcome(status=status, error=error))
        if not state.done.done():
            state.done.set_result(None)
