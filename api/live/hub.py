"""Tells live readers what changes: computed once for all of them, sent to each as fast as it reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, cast

from api.live.feeds import feeds_for
from api.live.readers import Reader
from api.live.statuses import LOOK_SECONDS, REPEAT_SECONDS, StatusFeed
from api.live.wishes import Topic, Wish
from api.responses import to_json
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.runtime.events import Event

READERS_AT_ONCE = 50
"""Readers that are woken before other things may go on."""
PAUSE_FACTOR = 4.0
"""How much longer than the telling the pause after it is: many readers are told less often, and tasks go on."""
STATE_NAME = "vera_live"
logger = logging.getLogger(__name__)


class Hub:
    """The readers of one app. It listens to the orchestrator while there are any."""

    def __init__(self, orchestrator: UnifiedOrchestrator) -> None:
        self.orchestrator = orchestrator
        self._readers: dict[Reader, None] = {}
        self._show: Show | None = None

    def join(self, reader: Reader) -> Show:
        """Let a reader in: it gets the status at once; return what it reads from."""
        if self._show is None:
            self._show = Show(self.orchestrator, self._readers)
        self._readers[reader] = None
        self._show.join(reader)
        return self._show

    def leave(self, reader: Reader) -> None:
        """Let a reader go."""
        self._readers.pop(reader, None)
        if self._show is not None:
            self._show.leave(reader)
            if not self._readers:
                self._show.end()
                self._show = None


class Show:
    """What is told from the first reader's coming to the last one's going."""

    def __init__(self, orchestrator: UnifiedOrchestrator, readers: dict[Reader, None]) -> None:
        self._readers = readers
        self._subscribers: dict[Topic, set[Reader]] = {topic: set() for topic in Topic}
        self._status = StatusFeed(orchestrator.get_status)
        self._feeds = feeds_for(orchestrator, self._subscribers)
        self._news = asyncio.Event()
        self._unsubscribe: Callable[[], None] = orchestrator.events.subscribe(self._hear)
        self._telling = asyncio.create_task(self._tell(), name="vera-live")

    def end(self) -> None:
        """Listen no longer."""
        self._unsubscribe()
        self._telling.cancel()

    def join(self, reader: Reader) -> None:
        """Give a new reader the status."""
        self._status.join(reader)
        reader.woken.set()

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        for subscribers in self._subscribers.values():
            subscribers.discard(reader)

    async def wish(self, reader: Reader, wish: Wish) -> None:
        """Tell a reader of other things from now on, and begin with how they stand."""
        first: list[str] = []
        for topic in Topic:
            if topic in wish.unsubscribe:
                self._subscribers[topic].discard(reader)
            elif topic in wish.subscribe:
                text = self._feeds[topic].join(reader)
                self._subscribers[topic].add(reader)
                first += [text] if text is not None else []
        reader.wish(wish)
        await reader.reply(to_json({"event": "subscribed", "topics": sorted(reader.topics)}).decode())
        for text in first:
            await reader.reply(text)

    def next(self, reader: Reader) -> str | None:
        """Return the next message for a reader, None if it has everything."""
        text = reader.next_reply() or self._status.next(reader)
        for topic in Topic:
            if text is None and topic in reader.topics:
                text = self._feeds[topic].next(reader)
        return text

    def _hear(self, event: Event) -> None:
        self._status.hear(event)
        for feed in self._feeds.values():
            feed.hear(event)
        self._news.set()

    async def _tell(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REPEAT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            began = time.monotonic()
            self._look(began)
            await self._wake()
            spent = time.monotonic() - began
            await asyncio.sleep(min(max(LOOK_SECONDS, PAUSE_FACTOR * spent), REPEAT_SECONDS))

    def _look(self, now: float) -> None:
        for feed in (self._status, *self._feeds.values()):
            try:
                feed.look(now)
            except Exception:  # one topic that cannot be had must not end the others
                logger.exception("%s could not be told", type(feed).__name__)
        if any(feed.is_behind for feed in self._feeds.values()):
            self._news.set()

    async def _wake(self) -> None:
        for number, reader in enumerate(list(self._readers), start=1):
            if self._has_news(reader):
                reader.woken.set()
            if number % READERS_AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _has_news(self, reader: Reader) -> bool:
        return reader.seen_status != self._status.version or any(
            seen != self._feeds[topic].version for topic, seen in reader.seen.items()
        )


def hub_of(app: Any, orchestrator: UnifiedOrchestrator) -> Hub:
    """Return the hub of an app that serves this orchestrator."""
    hub = cast("Hub | None", getattr(app.state, STATE_NAME, None))
    if hub is None or hub.orchestrator is not orchestrator:
        hub = Hub(orchestrator)
        setattr(app.state, STATE_NAME, hub)
    return hub
