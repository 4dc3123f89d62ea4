"""Which of many lanes is next, as their entries age and callers take turns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vera_orchestrator.fairness import Caller
from vera_orchestrator.lane import Lane, level, lifted_at
from vera_orchestrator.ranking import Ranking

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True, eq=False)
class _Standing(Generic[T]):
    """The lanes of one caller whose foremost entries are of one level, by (entered, sequence)."""

    caller: Caller
    level: int
    lanes: Ranking[Lane[T]] = field(default_factory=lambda: Ranking[Lane[T]]())


class ReadyLanes(Generic[T]):
    """Lanes with entries, of which any may be next.

    A lane stands with the others of its level and caller; the callers of a level are ranked by their turns. What
    changes by itself is brought up to date when it matters: a turn when its caller comes foremost (it only grows), and
    a level when the clock passes the time at which the lane's foremost entry rises.
    """

    def __init__(self, age_step: float) -> None:
        self._age_step = age_step
        self._now = float("-inf")
        self._levels: dict[int, Ranking[_Standing[T]]] = {}
        self._standings: dict[tuple[int, str | None], _Standing[T]] = {}
        self._standing_of: dict[Lane[T], _Standing[T]] = {}
        self._lifts: Ranking[Lane[T]] = Ranking()

    def put(self, lane: Lane[T]) -> None:
        """Add a lane, or rank it anew because another entry is foremost now."""
        first = lane.first
        height = level(lane.priority, first.entered, self._now, self._age_step)
        standing = self._standing_of.get(lane)
        if standing is None or standing.level != height:
            if standing is not None:
                self._leave(lane, standing)
            standing = self._standing_of[lane] = self._standing(height, lane.caller)
        standing.lanes.put(lane, (first.entered, first.sequence))
        if height:
            due = lifted_at(first.entered, lane.priority - height + 1, self._age_step)
            known = self._lifts.rank(lane)
            if known is None or due < known[0]:  # one that is too early costs nothing: it is put right when it is due
                self._lifts.put(lane, (due, first.sequence))

    def discard(self, lane: Lane[T]) -> None:
        """Take a lane out, if it is there."""
        standing = self._standing_of.pop(lane, None)
        if standing is not None:
            self._leave(lane, standing)
            self._lifts.discard(lane)

    def first(self, now: float) -> Lane[T] | None:
        """Return the lane whose foremost entry is next, or None if there is no lane."""
        self._advance(now)
        for height in sorted(self._levels):
            callers = self._levels[height]
            while (standing := callers.first()) is not None:
                if callers.rank(standing) == standing.caller.turn:
                    return standing.lanes.first()
                callers.put(standing, standing.caller.turn)
        return None

    def _advance(self, now: float) -> None:
        """Let what has waited long enough rise."""
        is_set_back, self._now = now < self._now, now
        if is_set_back:
            for lane in list(self._standing_of):
                self.put(lane)
        lifts = self._lifts
        while (lane := lifts.first()) is not None and lifts.rank(lane)[0] <= now:
            lifts.discard(lane)
            self.put(lane)

    def _standing(self, height: int, caller: Caller) -> _Standing[T]:
        place = (height, caller.key)
        standing = self._standings.get(place)
        if standing is None:
            standing = self._standings[place] = _Standing(caller, height)
            if height not in self._levels:
                self._levels[height] = Ranking()
            self._levels[height].put(standing, caller.turn)
        return standing

    def _leave(self, lane: Lane[T], standing: _Standing[T]) -> None:
        standing.lanes.discard(lane)
        if not len(standing.lanes):
            del self._standings[standing.level, standing.caller.key]
            callers = self._levels[standing.level]
            callers.discard(standing)
            if not len(callers):
                del self._levels[standing.level]
