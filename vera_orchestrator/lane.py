"""A queue of waiting items that differ only in when they came."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from vera_orchestrator.fairness import Caller

T = TypeVar("T", bound=Hashable)

Rank = tuple[int, int, float, int]
"""Level, turn, entered, sequence: the lowest goes first."""

REMAINS_KEPT = 16
"""Removed entries that a lane may hold, beside half as many as it has waiting."""


def level(priority: int, waited: float, age_step: float) -> int:
    """Return the effective priority after some seconds of waiting; the lower number goes first.

    Waiting below zero, which a clock that was set back gives, counts as none.
    """
    risen = int(waited / age_step) if waited > 0 else 0
    return priority - risen if priority > risen else 0


@dataclass(slots=True, eq=False)
class Entry(Generic[T]):
    """One item and its place."""

    item: T
    lane: Lane[T]
    entered: float
    sequence: int
    removed: bool = False


class Lane(Generic[T]):
    """Entries of one group, priority and caller, the first to enter foremost.

    As all of them age alike, the foremost is the best at any time. Entries mostly come in order, which costs least;
    those that come back late are kept aside, sorted. A removed entry stays until it would be foremost or such remains
    are too many. `size` does not count them. A lane without entries must not be asked for `first` or `rank`.
    """

    __slots__ = ("_in_order", "_late", "_latest", "caller", "first", "group", "priority", "size")

    first: Entry[T]

    def __init__(self, group: Hashable, priority: int, caller: Caller) -> None:
        self.group = group
        self.priority = priority
        self.caller = caller
        self._in_order: deque[Entry[T]] = deque()
        self._late: list[tuple[float, int, Entry[T]]] = []
        self._latest = float("-inf")
        self.size = 0

    def push(self, entry: Entry[T]) -> None:
        """Add an entry; its sequence must be above all earlier ones."""
        entered = entry.entered
        if entered >= self._latest:
            self._latest = entered
            self._in_order.append(entry)
        else:
            heappush(self._late, (entered, entry.sequence, entry))
        if not self.size or entered < self.first.entered:
            self.first = entry
        self.size += 1

    def pop(self) -> Entry[T]:
        """Take the foremost entry."""
        entry = self.first
        if self._in_order and self._in_order[0] is entry:
            self._in_order.popleft()
        else:
            heappop(self._late)
        self.size -= 1
        self._find_first()
        return entry

    def remove(self, entry: Entry[T]) -> None:
        """Take an entry out wherever it stands; costs the same for any, on average."""
        entry.removed = True
        self.size -= 1
        if len(self._in_order) + len(self._late) > 1.5 * self.size + REMAINS_KEPT:
            self._in_order = deque(kept for kept in self._in_order if not kept.removed)
            self._late = [kept for kept in self._late if not kept[2].removed]
            heapify(self._late)
        if entry is self.first:
            self._find_first()

    def rank(self, now: float, age_step: float) -> Rank:
        """Return where the foremost entry stands among those of all lanes."""
        first = self.first
        return (level(self.priority, now - first.entered, age_step), self.caller.turn, first.entered, first.sequence)

    def count_levels(self, counts: Counter[int], now: float, age_step: float) -> None:
        """Add the entries to the counts of their levels."""
        best = level(self.priority, now - self.first.entered, age_step)
        worst = level(self.priority, now - self._latest, age_step)
        if best == worst:  # then all are of that level
            counts[best] += self.size
            return
        for entry in self._entries():
            counts[level(self.priority, now - entry.entered, age_step)] += 1

    def _entries(self) -> Iterator[Entry[T]]:
        yield from (entry for entry in self._in_order if not entry.removed)
        yield from (entry for _, _, entry in self._late if not entry.removed)

    def _find_first(self) -> None:
        """Drop what remains of removed entries at the front, and note the foremost."""
        if not self.size:  # entries refer to their lane: without that circle they go as soon as nobody uses them
            del self.first
            self._in_order.clear()
            self._late.clear()
            return
        in_order, late = self._in_order, self._late
        while in_order and in_order[0].removed:
            in_order.popleft()
        while late and late[0][2].removed:
            heappop(late)
        if late and (not in_order or late[0][:2] < (in_order[0].entered, in_order[0].sequence)):
            self.first = late[0][2]
        else:
            self.first = in_order[0]
