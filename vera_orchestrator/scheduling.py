"""The order in which waiting tasks are tried.

Tasks of the best level go first. A task's level is its priority, less one for each `age_step` it has waited, and at
least 0; so even the least urgent rises to the top. Within a level callers take turns: first the one that was served
longest ago. Then who came first goes first.

Tasks that can be admitted or not for the same reasons form a group. A blocked group is passed over as a whole, so that
a blocked task never hides a ready one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Mapping
from typing import Generic, TypeVar

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.fairness import Callers
from vera_orchestrator.lane import Entry, Lane

T = TypeVar("T", bound=Hashable)


class ReadyQueue(Generic[T]):
    """Waiting items and which of them is next.

    An item may wait only once at a time. Times are seconds on any one clock, given by the caller. `age_step` is in
    seconds too; raises InvalidValue unless it is positive.

    Finding the next item takes time in proportion to the number of lanes (the combinations of group, priority and
    fairness key that have something waiting), however long they are.
    """

    def __init__(self, age_step: float) -> None:
        if not age_step > 0:
            raise InvalidValue(f"{age_step!r} is not positive.", field="age_step", remedy="Give seconds above 0.")
        self._age_step = age_step
        self._groups: dict[Hashable, dict[tuple[int, str | None], Lane[T]]] = {}
        self._entries: dict[T, Entry[T]] = {}
        self._callers = Callers()
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: object) -> bool:
        return item in self._entries

    def push(self, item: T, *, group: Hashable, priority: int, fairness_key: str | None, entered: float) -> None:
        """Let an item wait.

        One that comes back with its old `entered` keeps its seniority: among equals the earliest entered goes first,
        then the first pushed. Items without a fairness key are all one caller's. Raises ValueError if the item waits
        already.
        """
        if item in self._entries:
            raise ValueError(f"{item!r} waits already")
        lanes = self._groups.setdefault(group, {})
        lane = lanes.get((priority, fairness_key))
        if lane is None:
            lane = lanes[priority, fairness_key] = Lane(group, priority, self._callers.hold(fairness_key))
        self._pushed += 1
        entry = self._entries[item] = Entry(item, lane, entered, self._pushed)
        lane.push(entry)

    def pop(self, now: float, blocked: Container[Hashable] | Callable[[Hashable], bool] = ()) -> T | None:
        """Take the next item of the groups that are not blocked, or None; its caller counts as served."""
        lane = self._best(now, blocked)
        if lane is None:
            return None
        self._callers.serve(lane.caller)
        item = lane.pop().item
        del self._entries[item]
        if not lane.size:
            self._close(lane)
        return item

    def peek(self, now: float, blocked: Container[Hashable] | Callable[[Hashable], bool] = ()) -> T | None:
        """Return what `pop` would, and leave it where it is."""
        lane = self._best(now, blocked)
        return lane.first.item if lane else None

    def remove(self, item: T) -> bool:
        """Take an item out, wherever it stands; False if it does not wait."""
        entry = self._entries.pop(item, None)
        if entry is None:
            return False
        entry.lane.remove(entry)
        if not entry.lane.size:
            self._close(entry.lane)
        return True

    def groups(self) -> Mapping[Hashable, int]:
        """Return the groups that have items waiting, and how many."""
        return {group: sum(lane.size for lane in lanes.values()) for group, lanes in self._groups.items()}

    def oldest(self, group: Hashable) -> T | None:
        """Return the item of a group that entered first, or None if none waits."""
        lanes = self._groups.get(group)
        if not lanes:
            return None
        return min((lane.first for lane in lanes.values()), key=lambda entry: (entry.entered, entry.sequence)).item

    def waiting(self, now: float) -> Mapping[int, int]:
        """Return how many items wait at each level that has any."""
        counts: Counter[int] = Counter()
        for lanes in self._groups.values():
            for lane in lanes.values():
                lane.count_levels(counts, now, self._age_step)
        return dict(sorted(counts.items()))

    def _best(self, now: float, blocked: Container[Hashable] | Callable[[Hashable], bool]) -> Lane[T] | None:
        is_blocked = blocked if callable(blocked) else blocked.__contains__
        open_lanes = [lane for group, lanes in self._groups.items() if not is_blocked(group) for lane in lanes.values()]
        if len(open_lanes) < 2:  # the common case, and nothing to compare
            return open_lanes[0] if open_lanes else None
        age_step = self._age_step
        return min(open_lanes, key=lambda lane: lane.rank(now, age_step))

    def _close(self, lane: Lane[T]) -> None:
        """Forget an empty lane."""
        lanes = self._groups[lane.group]
        del lanes[lane.priority, lane.caller.key]
        if not lanes:
            del self._groups[lane.group]
        self._callers.let_go(lane.caller)
