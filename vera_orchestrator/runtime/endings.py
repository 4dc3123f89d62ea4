"""The end of many tasks at once, a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, MutableSet
from typing import Any

from vera_orchestrator.errors import VeraError
from vera_orchestrator.runtime.entry import Entry

ENDS_AT_ONCE = 100
"""Ends that are begun and not committed at most; a commit of so many leaves the event loop free every few ms."""


class Endings:
    """Ends waiting tasks so that the event loop never stands still for long.

    What is added must not start meanwhile: each has its reason in `cancelled_by`. One that has ended otherwise when its
    turn comes is left out. `end` begins to end one; tell with `over` when one is committed or given up. The work is
    among `unsettled` until all are.
    """

    def __init__(
        self, end: Callable[[Entry, VeraError], asyncio.Future[Any]], unsettled: MutableSet[asyncio.Task[Any]]
    ) -> None:
        self._end = end
        self._unsettled = unsettled
        self._to_end: deque[Entry] = deque()
        self._begun: set[Entry] = set()
        self._has_room = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def add(self, entries: Iterable[Entry]) -> None:
        """End tasks soon, in the order given."""
        self._to_end.extend(entries)
        if self._to_end and self._work is None:
            self._work = asyncio.create_task(self._end_all())
            self._unsettled.add(self._work)
            self._work.add_done_callback(self._unsettled.discard)

    def over(self, entry: Entry) -> None:
        """Note that a task has ended or is another owner's."""
        if entry in self._begun:
            self._begun.discard(entry)
            if not self._begun:
                self._has_room.set()

    async def _end_all(self) -> None:
        try:
            while self._to_end:
                self._begin_some()
                if self._begun:
                    await self._has_room.wait()
                else:
                    await asyncio.sleep(0)
        finally:
            self._work = None

    def _begin_some(self) -> None:
        self._has_room.clear()
        for _ in range(min(ENDS_AT_ONCE, len(self._to_end))):
            entry = self._to_end.popleft()
            if entry.final or entry.cancelled_by is None:
                continue
            self._begun.add(entry)
            self._end(entry, entry.cancelled_by).add_done_callback(lambda _, entry=entry: self.over(entry))
