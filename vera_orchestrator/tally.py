"""How many items wait at each priority, and since when the oldest of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from vera_orchestrator.lane import Entry, Lane

T = TypeVar("T", bound=Hashable)
LANES_AT_ONCE = 1_000
"""Up to so many lanes are looked through whenever the oldest item has gone; more of them, once in LOOK_SECONDS."""
LOOK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """The items of one priority: how many, and when the oldest entered."""

    count: int
    since: float


@dataclass(slots=True, eq=False)
class _Count(Generic[T]):
    """`oldest` is None when it has gone, and `since` is when it had entered."""

    count: int = 0
    oldest: Entry[T] | None = None
    since: float = 0.0

    def note(self, entry: Entry[T]) -> None:
        self.oldest, self.since = entry, entry.entered


class Tally(Generic[T]):
    """Counts what waits by priority; adding and taking out cost next to nothing.

    `lanes` returns all lanes with entries, `how_many` about how many there are.
    """

    def __init__(self, lanes: Callable[[], Iterable[Lane[T]]], how_many: Callable[[], int]) -> None:
        self._lanes = lanes
        self._how_many = how_many
        self._counts: dict[int, _Count[T]] = {}
        self._looked_at = float("-inf")

    def add(self, entry: Entry[T]) -> None:
        """Count one more."""
        known = self._counts.get(entry.lane.priority)
        if known is None:
            known = self._counts[entry.lane.priority] = _Count[T]()
        known.count += 1
        if known.count == 1 or (known.oldest is not None and entry.entered < known.since):
            known.note(entry)

    def remove(self, entry: Entry[T]) -> None:
        """Count one less."""
        known = self._counts[entry.lane.priority]
        known.count -= 1
        if known.oldest is entry:
            known.oldest = None

    def read(self, now: float) -> Mapping[int, Waiting]:
        """Return what waits, by priority; where there are many lanes the oldest may be one that has just gone."""
        counts = {priority: known for priority, known in self._counts.items() if known.count}
        stale = {priority for priority, known in counts.items() if known.oldest is None}
        if stale and (self._how_many() <= LANES_AT_ONCE or not 0 <= now - self._looked_at < LOOK_SECONDS):
            self._looked_at = now
            self._look(stale)
        return {priority: Waiting(count=known.count, since=known.since) for priority, known in sorted(counts.items())}

    def _look(self, priorities: Collection[int]) -> None:
        oldest: dict[int, Entry[T]] = {}
        for lane in self._lanes():
            if lane.priority in priorities:
                first = lane.first
                if lane.priority not in oldest or first.entered < oldest[lane.priority].entered:
                    oldest[lane.priority] = first
        for priority, entry in oldest.items():
            self._counts[priority].note(entry)
