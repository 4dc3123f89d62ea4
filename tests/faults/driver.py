"""One orchestrator's part in the load: what it submits, waits for and cancels, and what it was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.faults.load import Item, ItemKind, batch_of, ids_of, task_of
from tests.faults.record import EventKind, Record, read_record
from vera_orchestrator.errors import JournalUnavailable, NotFound, OrchestratorStopped
from vera_orchestrator.models import TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator

AGAIN_SECONDS = 0.1
PEER_AFTER_SECONDS = 0.15
PEER_PATIENCE_SECONDS = 8.0
"""How long a peer looks for a task that was perhaps never accepted."""


class Driver:
    """Drives one orchestrator; what an earlier process of its name has done is not done again."""

    def __init__(self, orchestrator: Orchestrator, record: Record, name: str, load: Sequence[Item], path: Path) -> None:
        self._orchestrator = orchestrator
        self._record = record
        self._name = name
        self._load = load
        events = list(read_record(path))
        self._tried = {one for event in events if event.kind is EventKind.TRIED for one in event.facts["ids"]}
        self._accepted = {one for event in events if event.kind is EventKind.ACKNOWLEDGED for one in event.facts["ids"]}
        settled = (EventKind.TOLD, EventKind.CANCELLED)
        self._settled = {(event.kind, event.facts["id"]) for event in events if event.kind in settled}

    async def drive(self, beginning: float) -> None:
        """Do everything at its time, `beginning` being that of the load on the steady clock."""
        async with asyncio.TaskGroup() as group:
            for item in self._load:
                if item.by == self._name:
                    group.create_task(self._at(beginning + item.at, self._own, item))
                if item.peer == self._name:
                    group.create_task(self._at(beginning + item.at + PEER_AFTER_SECONDS, self._as_peer, item))

    async def _at(self, moment: float, act: Callable[[Item], Awaitable[None]], item: Item) -> None:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        try:
            await act(item)
        except Exception as error:  # what no caller should ever see
            self._record.note(EventKind.SURPRISE, text=f"{item.id}: {type(error).__name__}: {error}")

    async def _own(self, item: Item) -> None:
        ids = ids_of(item)
        accepted = set(ids) <= self._accepted
        while not accepted and (item.kind is ItemKind.IDEMPOTENT or not set(ids) & self._tried):
            accepted = await self._submit(item)
            if item.kind is not ItemKind.IDEMPOTENT:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        if accepted and item.waits:
            await asyncio.gather(*(self._wait(one) for one in ids))

    async def _submit(self, item: Item) -> bool:
        ids = ids_of(item)
        self._record.note(EventKind.TRIED, ids=ids, batch=item.id if item.kind is ItemKind.BATCH else None)
        try:
            if item.kind is ItemKind.BATCH:
                await self._orchestrator.submit_batch(batch_of(item), batch_id=item.id)
            else:
                await self._orchestrator.submit_task(task_of(item))
        except (JournalUnavailable, OrchestratorStopped) as error:
            self._record.note(EventKind.REFUSED, ids=ids, error=f"{type(error).__name__}: {error}")
            return False
        self._record.note(EventKind.ACKNOWLEDGED, ids=ids)
        return True

    async def _wait(self, task_id: str, *, patience: float = 0.0) -> None:
        if (EventKind.TOLD, task_id) in self._settled:
            return
        deadline = time.monotonic() + patience
        while True:
            try:
                result = await self._orchestrator.wait_for(task_id)
            except (JournalUnavailable, OrchestratorStopped) as error:
                self._record.note(EventKind.UNTOLD, id=task_id, error=f"{type(error).__name__}: {error}")
            except NotFound:
                if time.monotonic() > deadline:
                    if not patience:
                        raise
                    return
            else:
                self._note_told(task_id, result)
                return
            await asyncio.sleep(AGAIN_SECONDS)

    def _note_told(self, task_id: str, result: TaskResult) -> None:
        facts = {"success": result.success, "data": result.data, "error_type": result.error_type}
        self._record.note(EventKind.TOLD, id=task_id, **facts)

    async def _as_peer(self, item: Item) -> None:
        if item.kind is ItemKind.CANCELLED:
            await self._cancel(item.id)
        else:
            await asyncio.gather(*(self._wait(one, patience=PEER_PATIENCE_SECONDS) for one in ids_of(item)))

    async def _cancel(self, task_id: str) -> None:
        """Ask for the end of a task once it is there, as often as it takes to get an answer."""
        if (EventKind.CANCELLED, task_id) in self._settled:
            return
        deadline = time.monotonic() + PEER_PATIENCE_SECONDS
        self._record.note(EventKind.CANCELLING, id=task_id)
        while time.monotonic() < deadline:
            try:
                answer = await self._orchestrator.cancel_task(task_id)
            except (JournalUnavailable, OrchestratorStopped, NotFound):
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self._record.note(EventKind.CANCELLED, id=task_id, answer=answer)
            return
