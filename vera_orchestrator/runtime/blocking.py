"""The groups of waiting tasks that cannot be admitted now, and what would change that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from vera_orchestrator.runtime.capacity import Wait
from vera_orchestrator.runtime.entry import Group


class BlockedGroups:
    """Blocked groups with why they wait. `wake` is called when one can be looked at again."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waits: dict[Group, Wait] = {}
        self._by_token: dict[str, set[Group]] = {}
        self._rechecks: dict[Group, asyncio.TimerHandle] = {}

    def __contains__(self, group: object) -> bool:
        return group in self._waits

    def get(self, group: Group) -> Wait | None:
        """Return what a group waits for, or None if it is not blocked."""
        return self._waits.get(group)

    def block(self, group: Group, wait: Wait, *, until: float | None) -> None:
        """Set a group aside until one of the wait's tokens comes or, on the steady clock, the time."""
        self._release(group)
        self._waits[group] = wait
        for token in wait.tokens:
            self._by_token.setdefault(token, set()).add(group)
        if until is not None:
            delay = max(0.0, until - time.monotonic()) + 0.001
            earlier = self._rechecks.pop(group, None)
            if earlier is not None:
                earlier.cancel()
            self._rechecks[group] = asyncio.get_running_loop().call_later(delay, self._recheck, group)

    def event(self, *tokens: str) -> None:
        """Something became free: groups that wait for it are looked at again."""
        for token in tokens:
            for group in list(self._by_token.get(token, ())):
                self._release(group)
        self._wake()

    def clear(self) -> None:
        """Look at every group again."""
        self._waits.clear()
        self._by_token.clear()
        self._wake()

    def _recheck(self, group: Group) -> None:
        self._rechecks.pop(group, None)
        self._release(group)
        self._wake()

    def _release(self, group: Group) -> None:
        wait = self._waits.pop(group, None)
        for token in wait.tokens if wait is not None else ():
            groups = self._by_token.get(token, set[Group]())
            groups.discard(group)
            if not groups:
                self._by_token.pop(token, None)
