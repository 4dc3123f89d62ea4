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


def lifted_at(entered: float, times: int, age_step: float) -> float:
    """Return when what entered then rises by one level for the given time."""
    return entered + times * age_step


def level(priority: int, entered: float, now: float, age_step: float) -> int:
    """Return the effective priority of what has waited since it entered; the lower number goes first.

    Waiting below zero, which a clock that was set back gives, counts as none.
    """
    times = 0
    while times < priority and lifted_at(entered, times + 1, age_step) <= now:
        times += 1
    return priority - times


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

    __slots__ = ("_in_order", "_late", "_latest", "caller", "family", "first", "group", "priority", "size")

    first: Entry[T]

    def __init__(self, family: Hashable, group: Hashable, priority: int, caller: Caller) -> None:
        self.family = family
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
        return (level(self.priority, first.entered, now, age_step), self.caller.turn, first.entered, first.sequence)

    def count_levels(self, counts: Counter[int], now: float, age_step: float) -> None:
        """Add the entries to the counts of their levels."""
        best = level(self.priority, self.first.entered, now, age_step)
        worst = level(self.priority, self._latest, now, age_step)
        if best == worst:  # then all are of that level
            counts[best] += self.size
            return
        for entry in self._entries():
            counts[level(self.priority, entry.entered, now, age_step)] += 1

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
