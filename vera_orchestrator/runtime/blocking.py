"""What of the queue cannot be admitted now, and what would change that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from vera_orchestrator.runtime.capacity import Wait
from vera_orchestrator.runtime.entry import Entry, Group
from vera_orchestrator.scheduling import ReadyQueue

Scope = tuple[Group, Group | None]
"""A family and one group of it, or None for all of them."""


class BlockedGroups:
    """Blocked groups and families with why they wait. `wake` is called when one can be looked at again.

    What is blocked here is passed over by the queue, and by nobody else.
    """

    def __init__(self, queue: ReadyQueue[Entry], wake: Callable[[], None]) -> None:
        self._queue = queue
        self._wake = wake
        self._waits: dict[Scope, Wait] = {}
        self._by_token: dict[str, set[Scope]] = {}
        self._rechecks: dict[Scope, asyncio.TimerHandle] = {}

    def get(self, group: Group) -> Wait | None:
        """Return what a group waits for, or None if neither it nor its family is blocked."""
        family = group.family
        return self._waits.get((family, group)) or self._waits.get((family, None))

    def block(self, group: Group, wait: Wait, *, until: float | None) -> None:
        """Set a group, or its family if the wait is for all of it, aside.

        It stays there until one of the wait's tokens comes or, on the steady clock, the time.
        """
        scope = (group.family, None if wait.whole_family else group)
        self._release(scope)
        self._waits[scope] = wait
        self._queue.block(*scope)
        for token in wait.tokens:
            self._by_token.setdefault(token, set()).add(scope)
        if until is not None:
            delay = max(0.0, until - time.monotonic()) + 0.001
            earlier = self._rechecks.pop(scope, None)
            if earlier is not None:
                earlier.cancel()
            self._rechecks[scope] = asyncio.get_running_loop().call_later(delay, self._recheck, scope)

    def event(self, *tokens: str) -> None:
        """Something became free: what waits for it is looked at again."""
        for token in tokens:
            for scope in list(self._by_token.get(token, ())):
                self._release(scope)
        self._wake()

    def clear(self) -> None:
        """Look at everything again."""
        for scope in list(self._waits):
            self._release(scope)
        self._wake()

    def _recheck(self, scope: Scope) -> None:
        self._rechecks.pop(scope, None)
        self._release(scope)
        self._wake()

    def _release(self, scope: Scope) -> None:
        wait = self._waits.pop(scope, None)
        if wait is None:
            return
        self._queue.unblock(*scope)
        for token in wait.tokens:
            scopes = self._by_token.get(token, set[Scope]())
            scopes.discard(scope)
            if not scopes:
                self._by_token.pop(token, None)
