"""One connection of a live reader: what it wants, and how far it is."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from api.live.changes import View
from api.live.wishes import Topic, Wish
from vera_orchestrator.callers import Caller, Scope

MOST_REPLIES = 8


@dataclass(eq=False, kw_only=True, slots=True)
class Reader:
    """What one connection is to get.

    `seen` is the version of the status, or the cursor of a topic's changes, that it was given last; `replies` are the
    answers to what it asked. `woken` is set when there may be something for it, `has_room` while replies fit.
    """

    caller: Caller
    topics: set[Topic] = field(default_factory=set[Topic])
    view: View = field(default_factory=View)
    seen_status: int = 0
    seen: dict[Topic, int] = field(default_factory=dict[Topic, int])
    replies: deque[str] = field(default_factory=deque[str])
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)

    def wish(self, wish: Wish) -> None:
        """Take in which events are wanted from now on."""
        self.topics = (self.topics | wish.subscribe) - wish.unsubscribe
        for topic in wish.unsubscribe:
            self.seen.pop(topic, None)
        if Topic.TASK in wish.subscribe:
            self.view = View(
                sees_all=Scope.MANAGE in self.caller.scopes,
                caller=self.caller.id,
                batch_id=wish.batch_id,
                task_id=wish.task_id,
            )

    async def reply(self, text: str) -> None:
        """Answer what the client said; waits while it does not read its answers."""
        while len(self.replies) >= MOST_REPLIES:
            self.has_room.clear()
            await self.has_room.wait()
        self.replies.append(text)
        self.woken.set()

    def next_reply(self) -> str | None:
        """Take out the next answer."""
        if not self.replies:
            return None
        self.has_room.set()
        return self.replies.popleft()
