"""Follow one task: each change, its progress, what it says, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.errors import NotFound
from vera_orchestrator.models import StreamChunk, Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.runtime.transcripts import Transcript

ELSEWHERE_SECONDS = 1.0
"""How often to look at a task that another process has."""
LONGEST_NUMBER = 18


class UpdateKind(StrEnum):
    """What an update tells."""

    TASK = "task"
    PROGRESS = "progress"
    TEXT = "text"
    TOOL_CALL = "tool_call"
    USAGE = "usage"
    END = "end"


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """One thing that has happened to a task.

    TASK has `task` as it stands, PROGRESS `fraction`, TEXT, TOOL_CALL and USAGE `chunk`, END `result`. Text begins at
    `offset` characters of what the attempt has said; 0 begins anew. `place` is where to go on after this one.
    """

    kind: UpdateKind
    task: Task | None = None
    fraction: float | None = None
    chunk: StreamChunk | None = None
    offset: int = 0
    result: TaskResult | None = None
    place: str | None = None


async def follow(orchestrator: Orchestrator, task_id: str, after: str | None = None) -> AsyncGenerator[Update]:
    """Yield how a task stands, and then what happens to it until it has ended; `after` is the place of an update.

    What it says comes in pieces where its payload has `stream`, or where somebody follows it before its attempt begins;
    who comes late gets what was said so far as one piece. A task that another process runs is followed without its
    text. Whoever leaves does not cancel it. Raises NotFound, and OrchestratorStopped in between.
    """
    with orchestrator.transcripts.watched(task_id) as (transcript, woken):
        task = await orchestrator.get_task(task_id)
        if task is None:
            raise NotFound(f"no task {task_id!r}.", field="task_id")
        yield Update(kind=UpdateKind.TASK, task=task)
        if task.status.is_final:
            yield _end(task)
            return
        ending = asyncio.ensure_future(orchestrator.wait_for(task_id))
        ending.add_done_callback(lambda _: woken.set())
        try:
            follower = _Follower(transcript, after)
            while not follower.has_ended:
                follower.has_ended = ending.done()
                seen, task = task, await follower.look(orchestrator, task)
                for update in follower.said():  # after the look at the task: all that it says comes before its end
                    yield update
                if _stands(task) != _stands(seen):
                    yield Update(kind=UpdateKind.TASK, task=task)
                if not follower.has_ended:
                    await _wait(woken, None if orchestrator.is_here(task_id) else ELSEWHERE_SECONDS)
            yield Update(kind=UpdateKind.END, result=await ending, place=UpdateKind.END)
        finally:
            ending.cancel()


class _Follower:
    """How far one reader is."""

    def __init__(self, transcript: Transcript, after: str | None) -> None:
        self._transcript = transcript
        attempt, _, pieces = (after or "").partition("-")
        is_number = pieces.isdecimal() and len(pieces) <= LONGEST_NUMBER  # Python refuses to read very long ones
        self._place = transcript.place(attempt, int(pieces) if is_number else 0)
        self._fraction: float | None = None
        self._changes = transcript.changes
        self.has_ended = False

    def said(self) -> list[Update]:
        """Return what there is of text and progress that this reader has not seen."""
        updates: list[Update] = []
        for chunk, place in self._transcript.read(self._place):
            offset = place.characters - len(chunk.text)
            named = f"{place.attempt}-{place.pieces}"
            updates.append(Update(kind=_KINDS[chunk.kind], chunk=chunk, offset=offset, place=named))
            self._place = place
        fraction = self._transcript.fraction
        if fraction is not None and fraction != self._fraction:
            updates.append(Update(kind=UpdateKind.PROGRESS, fraction=fraction))
        self._fraction = fraction
        return updates

    async def look(self, orchestrator: Orchestrator, task: Task) -> Task:
        """Return how a task stands now, looked at only if it may have changed, and once for all who follow it."""
        transcript, is_here = self._transcript, orchestrator.is_here(task.id)
        earlier, self._changes = self._changes, transcript.changes
        if is_here and not self.has_ended and earlier == self._changes:
            return task
        async with transcript.looking:
            at, seen = transcript.seen
            if seen is None or at != transcript.changes or not (is_here or seen.status.is_final):
                at, seen = transcript.changes, await orchestrator.get_task(task.id)
                transcript.seen = (at, seen)
        return seen or task


_KINDS = {
    ChunkKind.TEXT: UpdateKind.TEXT,
    ChunkKind.TOOL_CALL: UpdateKind.TOOL_CALL,
    ChunkKind.USAGE: UpdateKind.USAGE,
}


def _end(task: Task) -> Update:
    result = task.result or TaskResult(success=False, error="no result is kept")
    return Update(kind=UpdateKind.END, result=result, place=UpdateKind.END)


def _stands(task: Task) -> object:
    return task.status, task.status_reason, task.worker_id, task.retry_count, task.started_at


async def _wait(woken: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), seconds)
    woken.clear()
