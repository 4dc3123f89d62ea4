"""Who waits for whom, among the tasks of this process."""

from __future__ import annotations

from collections.abc import Mapping


class Dependencies:
    """Unmet dependencies by row key. A dependency needs success (True) or any outcome (False)."""

    def __init__(self) -> None:
        self._unmet: dict[int, dict[int, bool]] = {}
        self._dependents: dict[int, dict[int, None]] = {}  # in the order in which they came

    def add(self, key: int, after: Mapping[int, bool]) -> None:
        """Let `key` wait for the given ones, none of which has ended."""
        self._unmet[key] = dict(after)
        for upstream in after:
            self._dependents.setdefault(upstream, {})[key] = None

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
        """Return whose last dependency this was, and who can now never run, down the whole chain; each only once."""
        ready: list[int] = []
        doomed: list[int] = []
        for dependent in self._dependents.pop(key, ()):
            unmet = self._unmet[dependent]
            needs_success = unmet.pop(key)
            if needs_success and not success:
                self.drop(dependent)
                doomed.append(dependent)
            elif not unmet:
                del self._unmet[dependent]
                ready.append(dependent)
        for lost in doomed:  # grows while it is read
            for dependent in [one for one in self._dependents.get(lost, ()) if self._unmet[one][lost]]:
                self.drop(dependent)
                doomed.append(dependent)
        return ready, doomed

    def drop(self, key: int) -> None:
        """Forget that `key` waits."""
        for upstream in self._unmet.pop(key, ()):
            waiting = self._dependents[upstream]
            del waiting[key]
            if not waiting:
                del self._dependents[upstream]
