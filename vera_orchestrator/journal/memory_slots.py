"""Slots in a dictionary, for the in-memory journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping


class SlotTable:
    """Which task holds which slots, and for which owner."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, set[str]]] = {}  # {task key: (owner, names)}

    def acquire(self, owner: int, key: int, limits: Mapping[str, int]) -> Collection[str]:
        """Take a slot of each limit for a task, or none; return the names that are full."""
        _, held = self._held.get(key, (owner, set[str]()))
        used = Counter(name for _, names in self._held.values() for name in names)
        wanted = [name for name in limits if name not in held]
        full = [name for name in wanted if used[name] >= limits[name]]
        if wanted and not full:
            self._held[key] = (owner, held | set(wanted))
        return full

    def release(self, key: int) -> None:
        """Give back the slots of a task."""
        self._held.pop(key, None)

    def release_owner(self, owner: int) -> None:
        """Give back all slots of an owner."""
        self._held = {key: held for key, held in self._held.items() if held[0] != owner}
