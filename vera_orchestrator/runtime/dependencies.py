"""Who waits for whom, among the tasks of this process."""

from __future__ import annotations

from collections.abc import Mapping


class Dependencies:
    """Unmet dependencies by row key. A dependency needs success (True) or any outcome (False)."""

    def __init__(self) -> None:
        self._unmet: dict[int, dict[int, bool]] = {}
        self._dependents: dict[int, list[int]] = {}

    def add(self, key: int, after: Mapping[int, bool]) -> None:
        """Let `key` wait for the given ones, none of which has ended."""
        self._unmet[key] = dict(after)
        for upstream in after:
            self._dependents.setdefault(upstream, []).append(key)

    def is_waiting(self, key: int) -> bool:
        """Whether something is unmet."""
        return key in self._unmet

    def has_dependents(self, key: int) -> bool:
        """Whether anybody waits for `key`."""
        return key in self._dependents

    def awaited(self) -> set[int]:
        """Return the keys that somebody waits for."""
        return set(self._dependents)

    def ended(self, key: int, *, success: bool) -> tuple[list[int], list[int]]:
        """Return whose last dependency this was, and who can now never run. Each is named once."""
        ready: list[int] = []
        doomed: list[int] = []
        for dependent in self._dependents.pop(key, ()):
            unmet = self._unmet.get(dependent)
            if unmet is None:
                continue
            needs_success = unmet.pop(key, False)
            if needs_success and not success:
                self.drop(dependent)
                doomed.append(dependent)
            elif not unmet:
                del self._unmet[dependent]
                ready.append(dependent)
        return ready, doomed

    def drop(self, key: int) -> None:
        """Forget that `key` waits."""
        for upstream in self._unmet.pop(key, ()):
            waiting = self._dependents.get(upstream)
            if waiting is not None and key in waiting:
                waiting.remove(key)
                if not waiting:
                    del self._dependents[upstream]
