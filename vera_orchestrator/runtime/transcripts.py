"""What streamed tasks have said so far, for whoever reads along or comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.models import StreamChunk, Task
from vera_orchestrator.runtime.events import Event, Events, TaskEvent, TaskEventKind

MOST_UNWATCHED = 1_000
MOST_CHARACTERS = 4_000_000
"""More of one answer is handed out as it comes, and not kept for those who come late."""


class Place(NamedTuple):
    """How far somebody has read: in which attempt, how many pieces, and how many characters of text they held."""

    attempt: str = ""
    pieces: int = 0
    characters: int = 0


@dataclass(eq=False, slots=True)
class Transcript:
    """What one task says in its present attempt, and how often it has changed.

    `attempt` names it, in any process, and is empty before it begins; text is kept as it came, in pieces. `seen` is how
    the task stood after so many changes; who reads along looks at it under `looking`, one for all.
    """

    attempt: str = ""
    pieces: list[str | StreamChunk] = field(default_factory=list[str | StreamChunk])
    characters: int = 0
    fraction: float | None = None
    changes: int = 0
    seen: tuple[int, Task | None] = (0, None)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    watchers: set[asyncio.Event] = field(default_factory=set[asyncio.Event])

    def begin(self) -> None:
        """Begin a new attempt."""
        self.attempt = uuid4().hex[:12]
        self.pieces, self.characters, self.fraction = [], 0, None

    def add(self, chunk: StreamChunk) -> None:
        """Take in what the attempt says."""
        if self.characters > MOST_CHARACTERS:
            return
        is_text = chunk.kind is ChunkKind.TEXT
        self.characters += len(chunk.text) if is_text else 0
        self.pieces.append(chunk.text if is_text else chunk)
        self.wake()

    def wake(self) -> None:
        """Let those who read along look."""
        for watcher in self.watchers:
            watcher.set()

    def place(self, attempt: str, pieces: int) -> Place:
        """Return where somebody is who has read so many pieces of an attempt; at the start, if it is another."""
        if attempt != self.attempt or not 0 <= pieces <= len(self.pieces):
            return Place(self.attempt)
        read = self.pieces[:pieces]
        return Place(attempt, pieces, sum(len(piece) for piece in read if isinstance(piece, str)))

    def read(self, place: Place) -> Iterator[tuple[StreamChunk, Place]]:
        """Yield what was said since, with the place after it; text that came in several pieces as one."""
        attempt, count, characters = place if place.attempt == self.attempt else Place(self.attempt)
        waiting: list[str] = []
        for piece in [*self.pieces[count:], None]:
            if isinstance(piece, str):
                waiting.append(piece)
                continue
            if waiting:
                text = "".join(waiting)
                count, characters = count + len(waiting), characters + len(text)
                waiting.clear()
                yield StreamChunk(kind=ChunkKind.TEXT, text=text), Place(attempt, count, characters)
            if piece is not None:
                count += 1
                yield piece, Place(attempt, count, characters)


class Transcripts:
    """The transcripts of tasks that are streamed (`stream` in their payload) or that somebody watches."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._by_id: dict[str, Transcript] = {}
        self._unsubscribe: Callable[[], None] | None = None

    def begin(self, task: Task) -> Callable[[StreamChunk], None] | None:
        """Begin an attempt; return what takes in its chunks, or None if nobody wants them."""
        transcript = self._by_id.get(task.id)
        if transcript is None:
            if task.payload.get("stream") is not True:
                return None
            transcript = self._open(task.id)
            self._evict()
        transcript.begin()
        return transcript.add

    @contextmanager
    def watched(self, task_id: str) -> Generator[tuple[Transcript, asyncio.Event]]:
        """Give a task's transcript, and an event that is set whenever there may be something new."""
        transcript, woken = self._by_id.get(task_id) or self._open(task_id), asyncio.Event()
        transcript.watchers.add(woken)
        try:
            yield transcript, woken
        finally:
            transcript.watchers.discard(woken)
            if not transcript.watchers and not transcript.attempt and self._by_id.get(task_id) is transcript:
                self._close(task_id)

    def _open(self, task_id: str) -> Transcript:
        if self._unsubscribe is None:
            self._unsubscribe = self._events.subscribe(self._hear)
        transcript = self._by_id[task_id] = Transcript()
        return transcript

    def _close(self, task_id: str) -> None:
        del self._by_id[task_id]
        if not self._by_id and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _evict(self) -> None:
        """Let go of tasks of whose end nobody tells, as another process has them."""
        if len(self._by_id) > MOST_UNWATCHED:
            unwatched = next((key for key, one in self._by_id.items() if not one.watchers), None)
            if unwatched is not None:
                self._close(unwatched)

    def _hear(self, event: Event) -> None:
        if not isinstance(event, TaskEvent):
            return
        transcript = self._by_id.get(event.task.id)
        if transcript is None:
            return
        if event.kind is TaskEventKind.PROGRESS:
            transcript.fraction = event.fraction
        else:
            transcript.changes += 1
        if event.kind is TaskEventKind.ENDED:
            self._close(event.task.id)
        transcript.wake()
