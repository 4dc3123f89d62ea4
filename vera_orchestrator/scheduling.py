"""The order in which waiting tasks are tried.

Tasks of the best level go first. A task's level is its priority, less one for each `age_step` it has waited, and at
least 0; so even the least urgent rises to the top. Within a level callers take turns: first the one that was served
longest ago, a new one last; one with a weight is served that often at a turn. Then who came first goes first.

Tasks that can be admitted or not for the same reasons form a group; groups that differ only in a key form a family. A
blocked group or family is passed over as a whole, so that a blocked task never hides a ready one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.fairness import Callers, alike
from vera_orchestrator.family import Family
from vera_orchestrator.lane import Entry, Lane
from vera_orchestrator.tally import Tally, Waiting

T = TypeVar("T", bound=Hashable)


class ReadyQueue(Generic[T]):
    """Waiting items and which of them is next.

    An item may wait only once at a time. Times are seconds on any one clock, given by the caller. `age_step` is in
    seconds too; raises InvalidValue unless it is positive.

    Each step takes time in proportion to the number of families, which are meant to be few, and to the logarithm of the
    number of groups and callers, on average. Unblocking a group also takes time in proportion to the number of its
    callers that were passed over meanwhile. If the clock was set back, the next step takes as long as all items' first
    did.
    """

    def __init__(self, age_step: float, weight_of: Callable[[str | None], float] = alike) -> None:
        if not age_step > 0:
            raise InvalidValue(f"{age_step!r} is not positive.", field="age_step", remedy="Give seconds above 0.")
        self._age_step = age_step
        self._families: dict[Hashable, Family[T]] = {}
        self._entries: dict[T, Entry[T]] = {}
        self._blocked: set[tuple[Hashable, Hashable | None]] = set()
        self._callers = Callers(weight_of)
        self._pushed = 0
        self._tally: Tally[T] = Tally(self._lanes, lambda: self._open_lanes)
        self._open_lanes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: object) -> bool:
        return item in self._entries

    def push(
        self,
        item: T,
        *,
        family: Hashable,
        group: Hashable,
        priority: int,
        fairness_key: str | None,
        entered: float,
    ) -> None:
        """Let an item wait.

        One that comes back with its old `entered` keeps its seniority: among equals the earliest entered goes first,
        then the first pushed. Items without a fairness key are all one caller's. Raises ValueError if the item waits
        already.
        """
        if item in self._entries:
            raise ValueError(f"{item!r} waits already")
        known = self._families.get(family)
        if known is None:
            known = self._families[family] = Family(family, self._age_step)
        lane = known.lane(group, priority, fairness_key)
        if lane is None:
            caller = self._callers.hold(fairness_key)
            lane = known.open(group, priority, caller, is_blocked=(family, group) in self._blocked)
            self._open_lanes += 1
        self._pushed += 1
        entry = self._entries[item] = Entry(item, lane, entered, self._pushed)
        lane.push(entry)
        self._tally.add(entry)
        if lane.first is entry:
            known.place(lane)

    def peek(self, now: float) -> T | None:
        """Return the next item of what is not blocked, or None; it stays where it is."""
        best: Lane[T] | None = None
        for name, family in self._families.items():
            if (name, None) in self._blocked:
                continue
            lane = family.first(now)
            if lane is None:
                continue
            if best is None or lane.rank(now, self._age_step) < best.rank(now, self._age_step):
                best = lane
        return best.first.item if best is not None else None

    def pop(self, now: float) -> T | None:
        """Take what `peek` returns; its caller counts as served."""
        item = self.peek(now)
        if item is not None:
            self.serve(item)
        return item

    def serve(self, item: T) -> None:
        """Take out an item because its turn has come; its caller counts as served."""
        self._callers.serve(self._entries[item].lane.caller)
        self.remove(item)

    def remove(self, item: T) -> bool:
        """Take an item out, wherever it stands; False if it does not wait."""
        entry = self._entries.pop(item, None)
        if entry is None:
            return False
        lane = entry.lane
        was_first = lane.first is entry
        lane.remove(entry)
        self._tally.remove(entry)
        if not lane.size:
            self._close(lane)
        elif was_first:
            self._families[lane.family].place(lane)
        return True

    def block(self, family: Hashable, group: Hashable | None = None) -> None:
        """Pass over a group, or a whole family if none is given, from now on."""
        self._blocked.add((family, group))
        if group is not None and family in self._families:
            self._families[family].block(group)

    def unblock(self, family: Hashable, group: Hashable | None = None) -> None:
        """Consider a blocked group or family again; that the other of them is blocked stays so."""
        self._blocked.discard((family, group))
        if group is not None and family in self._families:
            self._families[family].unblock(group)

    def waiting(self, now: float) -> Mapping[int, int]:
        """Return how many items wait at each level that has any."""
        counts: Counter[int] = Counter()
        for lane in self._lanes():
            lane.count_levels(counts, now, self._age_step)
        return dict(sorted(counts.items()))

    def by_priority(self, now: float) -> Mapping[int, Waiting]:
        """Return how many items of each priority wait, and since when the oldest; cheap however many they are."""
        return self._tally.read(now)

    def _lanes(self) -> Iterator[Lane[T]]:
        for family in self._families.values():
            yield from family.lanes()

    def _close(self, lane: Lane[T]) -> None:
        """Forget an empty lane."""
        self._open_lanes -= 1
        family = self._families[lane.family]
        family.close(lane)
        if family.is_empty:
            del self._families[lane.family]
        self._callers.let_go(lane.caller)
