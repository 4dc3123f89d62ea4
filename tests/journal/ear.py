"""What a journal is told about the writes of others."""

from __future__ import annotations

import asyncio

from tests.support import soon
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import ALL_NEWS, NO_NEWS, News


class Ear:
    """Listens with a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._queue: asyncio.Queue[News] = asyncio.Queue()

    async def open(self) -> None:
        """Begin, and come back when it listens: then everything may have happened before."""
        await self._journal.listen(self._queue.put_nowait)
        assert await self.next() == ALL_NEWS
        assert self._journal.is_listening

    async def next(self) -> News:
        """Return what is told next."""
        return await soon(self._queue.get())

    def rest(self) -> News:
        """Return what was told and not asked for yet."""
        news = NO_NEWS
        while not self._queue.empty():
            news |= self._queue.get_nowait()
        return news
