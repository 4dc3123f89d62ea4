"""Members in the order of ranks that change."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

M = TypeVar("M", bound=Hashable)

REMAINS_KEPT = 16
"""Outdated places that a ranking may hold, beside as many as it has members."""


class Ranking(Generic[M]):
    """A heap whose members can be ranked anew and taken out; each step takes O(log n) on average.

    Ranks are tuples or numbers that can be compared, the lowest first; among equals the first to be put goes first.
    """

    __slots__ = ("_heap", "_number", "_ranks")

    def __init__(self) -> None:
        self._ranks: dict[M, Any] = {}
        self._heap: list[tuple[Any, int, M]] = []  # also outdated places, passed over when they come foremost
        self._number = 0

    def __len__(self) -> int:
        return len(self._ranks)

    @property
    def places(self) -> int:
        """How many places it holds, outdated ones included."""
        return len(self._heap)

    def put(self, member: M, rank: Any) -> None:
        """Add a member, or rank it anew."""
        ranks = self._ranks
        if ranks.get(member) == rank:
            return
        ranks[member] = rank
        self._number += 1
        heappush(self._heap, (rank, self._number, member))
        self._tidy()

    def discard(self, member: M) -> None:
        """Take a member out, if it is there."""
        if self._ranks.pop(member, None) is not None:
            self._tidy()

    def rank(self, member: M) -> Any:
        """Return the rank of a member, or None if it is not there."""
        return self._ranks.get(member)

    def first(self) -> M | None:
        """Return the member of the lowest rank, or None if there is none."""
        heap, ranks = self._heap, self._ranks
        while heap:
            rank, _, member = heap[0]
            if ranks.get(member) == rank:
                return member
            heappop(heap)
        return None

    def _tidy(self) -> None:
        """Drop outdated places when there are many."""
        if len(self._heap) > 2 * len(self._ranks) + REMAINS_KEPT:
            ranks = self._ranks
            self._heap = [place for place in self._heap if ranks.get(place[2]) == place[0]]
            heapify(self._heap)
