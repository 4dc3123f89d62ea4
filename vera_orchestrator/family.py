"""Waiting items that need the same workers, whatever their keys."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vera_orchestrator.fairness import Caller
from vera_orchestrator.lane import Lane
from vera_orchestrator.ready_lanes import ReadyLanes

T = TypeVar("T", bound=Hashable)


@dataclass(slots=True, eq=False)
class _Group(Generic[T]):
    """Its lanes by priority and fairness key; `passed_over` are those that were met foremost while it was blocked."""

    is_blocked: bool
    lanes: dict[tuple[int, str | None], Lane[T]] = field(default_factory=dict[tuple[int, str | None], Lane[T]])
    passed_over: set[Lane[T]] = field(default_factory=set[Lane[T]])


class Family(Generic[T]):
    """The groups of a family and which of their lanes is next.

    A group that becomes blocked costs nothing until one of its lanes is foremost; that lane is then put aside until the
    group is unblocked.
    """

    def __init__(self, name: Hashable, age_step: float) -> None:
        self._name = name
        self._ready: ReadyLanes[T] = ReadyLanes(age_step)
        self._groups: dict[Hashable, _Group[T]] = {}
        self._open = 0  # groups that are not blocked

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._groups

    def lane(self, group: Hashable, priority: int, key: str | None) -> Lane[T] | None:
        """Return a lane, or None if there is none."""
        known = self._groups.get(group)
        return None if known is None else known.lanes.get((priority, key))

    def open(self, group: Hashable, priority: int, caller: Caller, *, is_blocked: bool) -> Lane[T]:
        """Add an empty lane; `place` it when it has an entry."""
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = _Group(is_blocked)
            self._open += not is_blocked
        lane = known.lanes[priority, caller.key] = Lane[T](self._name, group, priority, caller)
        return lane

    def place(self, lane: Lane[T]) -> None:
        """Rank a lane whose foremost entry is another than before."""
        group = self._groups[lane.group]
        if group.is_blocked:
            self._ready.discard(lane)
            group.passed_over.add(lane)
        else:
            self._ready.put(lane)

    def close(self, lane: Lane[T]) -> None:
        """Forget an empty lane."""
        group = self._groups[lane.group]
        del group.lanes[lane.priority, lane.caller.key]
        group.passed_over.discard(lane)
        self._ready.discard(lane)
        if not group.lanes:
            del self._groups[lane.group]
            self._open -= not group.is_blocked

    def block(self, name: Hashable) -> None:
        """Pass over a group from now on."""
        group = self._groups.get(name)
        if group is not None and not group.is_blocked:
            group.is_blocked = True
            self._open -= 1

    def unblock(self, name: Hashable) -> None:
        """Consider a group again."""
        group = self._groups.get(name)
        if group is not None and group.is_blocked:
            group.is_blocked = False
            self._open += 1
            for lane in group.passed_over:
                self._ready.put(lane)
            group.passed_over.clear()

    def first(self, now: float) -> Lane[T] | None:
        """Return the lane of a group that is not blocked whose foremost entry is next, or None."""
        if not self._open:
            return None
        while (lane := self._ready.first(now)) is not None:
            group = self._groups[lane.group]
            if not group.is_blocked:
                return lane
            self._ready.discard(lane)
            group.passed_over.add(lane)
        return None

    def lanes(self) -> list[Lane[T]]:
        """Return all lanes."""
        return [lane for group in self._groups.values() for lane in group.lanes.values()]
