from __future__ import annotations

import gc
import math
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vera_orchestrator.enums import TaskPriority
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.scheduling import ReadyQueue

AGE_STEP = 30.0


@dataclass(frozen=True, kw_only=True)
class Item:
    number: int
    family: str = "f"
    group: str = "g"
    priority: int = TaskPriority.NORMAL
    fairness_key: str | None = None
    entered: float = 0.0


def queue_of(*items: Item) -> ReadyQueue[Item]:
    queue = ReadyQueue[Item](AGE_STEP)
    for item in items:
        push(queue, item)
    return queue


def push(queue: ReadyQueue[Item], item: Item) -> None:
    queue.push(
        item,
        family=item.family,
        group=item.group,
        priority=item.priority,
        fairness_key=item.fairness_key,
        entered=item.entered,
    )


def drain(queue: ReadyQueue[Item], now: float = 0.0) -> list[int]:
    numbers: list[int] = []
    while item := queue.pop(now):
        numbers.append(item.number)
    return numbers


def test_an_empty_queue_gives_nothing() -> None:
    queue = queue_of()
    assert queue.pop(0.0) is None
    assert queue.peek(0.0) is None
    assert len(queue) == 0


def test_the_more_urgent_goes_first() -> None:
    queue = queue_of(
        Item(number=1, priority=TaskPriority.LOW),
        Item(number=2, priority=TaskPriority.CRITICAL),
        Item(number=3, priority=TaskPriority.NORMAL),
    )
    assert drain(queue) == [2, 3, 1]


def test_among_equals_the_first_to_come_goes_first() -> None:
    assert drain(queue_of(*(Item(number=number, group=f"g{number % 3}") for number in range(9)))) == list(range(9))


def test_each_step_of_waiting_lifts_a_task_by_one_level() -> None:
    old = Item(number=1, priority=TaskPriority.LOW, entered=0.0)
    fresh = Item(number=2, priority=TaskPriority.NORMAL, entered=AGE_STEP - 0.1)
    assert drain(queue_of(old, fresh), now=AGE_STEP - 0.1) == [2, 1]
    assert drain(queue_of(old, fresh), now=AGE_STEP) == [1, 2]


def test_an_older_task_that_comes_back_rises_in_its_own_time() -> None:
    queue = queue_of(
        Item(number=1, priority=TaskPriority.LOW, fairness_key="a", entered=100.0),
        Item(number=2, priority=TaskPriority.NORMAL, fairness_key="b", entered=100.0),
    )
    assert queue.peek(100.0) == Item(number=2, priority=TaskPriority.NORMAL, fairness_key="b", entered=100.0)
    push(queue, Item(number=3, priority=TaskPriority.LOW, fairness_key="a", entered=75.0))
    assert drain(queue, now=105.0) == [3, 2, 1]


def test_what_has_risen_goes_down_again_when_the_clock_is_set_back() -> None:
    old = Item(number=1, priority=TaskPriority.LOW, entered=0.0)
    queue = queue_of(old, Item(number=2, priority=TaskPriority.NORMAL, entered=50.0))
    assert queue.peek(50.0) is old
    assert drain(queue, now=20.0) == [2, 1]


def test_no_task_rises_above_the_highest_level() -> None:
    old = Item(number=1, priority=TaskPriority.BACKGROUND, entered=100.0)
    critical = Item(number=2, priority=TaskPriority.CRITICAL, entered=99.0)
    assert drain(queue_of(old, critical), now=1e6) == [2, 1]


def test_a_clock_that_was_set_back_makes_nobody_less_urgent() -> None:
    queue = queue_of(Item(number=1, entered=1_000.0), Item(number=2, priority=TaskPriority.LOW, entered=0.0))
    assert queue.waiting(0.0) == {2: 1, 3: 1}
    assert drain(queue, now=0.0) == [1, 2]


@pytest.mark.parametrize("whole_family", [True, False])
def test_a_blocked_task_never_hides_a_ready_one(whole_family: bool) -> None:
    blocked = (
        Item(number=number, family="full", priority=TaskPriority.CRITICAL, fairness_key=f"c{number % 10}")
        for number in range(1_000)
    )
    free = Item(
        number=1_000, family="full" if not whole_family else "f", group="free", priority=TaskPriority.BACKGROUND
    )
    queue = queue_of(*blocked, free)
    queue.block("full", None if whole_family else "g")
    assert queue.pop(0.0) is free
    assert queue.pop(0.0) is None
    assert len(queue) == 1_000


def test_what_is_no_longer_blocked_goes_in_its_old_order() -> None:
    queue = queue_of(
        *(Item(number=number, group=f"g{number % 2}", fairness_key=f"c{number % 3}") for number in range(6))
    )
    queue.block("f", "g0")
    taken = queue.pop(0.0)
    assert taken is not None and taken.number == 3  # the first of the first caller's that is not blocked
    queue.unblock("f", "g0")
    assert drain(queue) == [1, 2, 0, 4, 5]


def test_a_group_of_a_blocked_family_stays_blocked_when_it_is_unblocked_itself() -> None:
    queue = queue_of(Item(number=1))
    queue.block("f")
    queue.block("f", "g")
    queue.unblock("f", "g")
    assert queue.peek(0.0) is None
    queue.unblock("f")
    assert drain(queue) == [1]


def test_what_comes_to_a_blocked_group_waits_with_it() -> None:
    queue = queue_of()
    queue.block("f", "g")
    push(queue, Item(number=1, priority=TaskPriority.CRITICAL))
    push(queue, Item(number=2, group="other"))
    assert drain(queue) == [2]
    push(queue, Item(number=3, priority=TaskPriority.HIGH))
    queue.unblock("f", "g")
    assert drain(queue) == [1, 3]


def test_a_blocked_group_that_is_empty_hides_no_other() -> None:
    gone, ready = Item(number=1, group="blocked"), Item(number=2)
    queue = queue_of(gone, ready)
    queue.block("f", "blocked")
    queue.remove(gone)
    assert queue.pop(0.0) is ready


def test_tasks_rise_while_their_group_is_blocked() -> None:
    old = Item(number=1, priority=TaskPriority.BACKGROUND, group="blocked")
    queue = queue_of(old, Item(number=2, priority=TaskPriority.HIGH, entered=1e6))
    queue.block("f", "blocked")
    assert queue.peek(0.0) is not None
    queue.unblock("f", "blocked")
    assert drain(queue, now=1e6) == [1, 2]


def test_callers_take_turns_however_unequal_their_backlogs() -> None:
    many = [Item(number=number, fairness_key="many") for number in range(1_000)]
    few = [Item(number=number, fairness_key="few", entered=5.0) for number in range(1_000, 1_010)]
    queue = queue_of(*many, *few)
    order = drain(queue, now=10.0)
    assert [number >= 1_000 for number in order[:20]] == [False, True] * 10
    assert order[20:] == list(range(10, 1_000))


def test_tasks_without_a_fairness_key_are_one_caller() -> None:
    queue = queue_of(*(Item(number=number) for number in range(3)), Item(number=3, fairness_key="a"))
    assert drain(queue) == [0, 3, 1, 2]


def test_a_new_caller_goes_behind_those_that_wait() -> None:
    queue = queue_of(*(Item(number=number, fairness_key="a") for number in range(3)))
    served = queue.pop(0.0)
    assert served is not None
    push(queue, Item(number=3, fairness_key="new", entered=-1.0))
    assert drain(queue) == [1, 3, 2]


@pytest.mark.parametrize("entered", [0.0, 1.0, -1.0])
def test_an_endless_stream_of_new_callers_starves_nobody(entered: float) -> None:
    queue = queue_of(*(Item(number=number, fairness_key="old") for number in range(10)))
    for number in range(10):
        push(queue, Item(number=100 + number, fairness_key=f"new {number}", entered=entered))
        assert [queue.pop(2.0), queue.pop(2.0)] == [
            Item(number=number, fairness_key="old"),
            Item(number=100 + number, fairness_key=f"new {number}", entered=entered),
        ]


@given(data=st.data(), patient=st.integers(1, 5), rounds=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_who_always_has_something_waiting_gets_a_turn_after_each_other_that_waits(
    data: st.DataObject, patient: int, rounds: int
) -> None:
    queue = ReadyQueue[Item](AGE_STEP)
    waiting: Counter[str] = Counter()
    ahead: dict[str, int] = {}
    number = 0

    def come(caller: str) -> None:
        nonlocal number
        number += 1
        entered = data.draw(st.sampled_from([0.0, 1.0, 20.0]))
        group = data.draw(st.sampled_from("xyz"))
        push(queue, Item(number=number, group=group, fairness_key=caller, entered=entered))
        waiting[caller] += 1

    for one in range(patient):
        come(f"patient {one}")
        ahead[f"patient {one}"] = one
    for turn in range(rounds):
        for one in range(data.draw(st.integers(0, 3))):
            come(f"new {turn}.{one}")
        item = queue.pop(20.0)
        assert item is not None and item.fairness_key is not None
        served = item.fairness_key
        waiting[served] -= 1
        if served in ahead:
            come(served)
            ahead[served] = sum(1 for caller, count in waiting.items() if count and caller != served) + 1
        for caller in ahead:
            ahead[caller] -= 1
            assert ahead[caller] >= 0 or caller == served


def test_urgency_goes_before_turns() -> None:
    queue = queue_of(
        Item(number=1, fairness_key="a", priority=TaskPriority.HIGH),
        Item(number=2, fairness_key="a", priority=TaskPriority.HIGH),
        Item(number=3, fairness_key="b", priority=TaskPriority.NORMAL),
    )
    assert drain(queue) == [1, 2, 3]


def test_an_item_that_comes_back_keeps_its_seniority() -> None:
    queue = queue_of(*(Item(number=number, entered=float(number)) for number in range(5)))
    taken = queue.pop(10.0)
    assert taken is not None
    push(queue, taken)
    push(queue, Item(number=5, entered=2.5))
    assert drain(queue, now=10.0) == [0, 1, 2, 5, 3, 4]


def test_an_item_cannot_wait_twice() -> None:
    item = Item(number=1)
    queue = queue_of(item)
    with pytest.raises(ValueError, match="waits already"):
        push(queue, item)
    assert drain(queue) == [1]


def test_peek_changes_nothing() -> None:
    first, second = Item(number=1, fairness_key="a"), Item(number=2, fairness_key="b")
    queue = queue_of(first, second)
    assert queue.peek(0.0) is first
    assert queue.peek(0.0) is first
    assert drain(queue) == [1, 2]


def test_a_removed_item_is_gone() -> None:
    items = [Item(number=number) for number in range(5)]
    queue = queue_of(*items)
    assert queue.remove(items[0])
    assert queue.remove(items[3])
    assert not queue.remove(items[3])
    assert items[3] not in queue
    assert items[2] in queue
    assert drain(queue) == [1, 2, 4]


def test_a_removed_item_may_come_back() -> None:
    items = [Item(number=number) for number in range(3)]
    queue = queue_of(*items)
    assert queue.remove(items[1])
    push(queue, items[1])
    assert drain(queue) == [0, 2, 1]


def test_the_age_step_must_be_positive() -> None:
    for wrong in (0, -1, math.nan):
        with pytest.raises(InvalidValue, match="age_step"):
            ReadyQueue[Item](wrong)


def test_levels_are_counted() -> None:
    queue = queue_of(
        Item(number=1, group="a"),
        Item(number=2, group="a", entered=50.0),
        Item(number=3, group="b", priority=TaskPriority.BACKGROUND),
        gone := Item(number=4, group="c"),
    )
    queue.remove(gone)
    assert queue.waiting(70.0) == {0: 1, 2: 2}
    drain(queue)
    assert queue.waiting(0.0) == {}


def steps(work: Callable[[], object]) -> int:
    """Return how many functions were called."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("differ", ["groups", "callers", "both"])
def test_a_hundred_times_as_many_keys_take_hardly_longer_for_each_item(differ: str) -> None:
    def per_item(count: int) -> float:
        groups, callers = (count if differ != "callers" else 1), (count if differ != "groups" else 1)
        items = [
            Item(
                number=number, group=f"g{number % groups}", fairness_key=f"c{number % callers}", entered=number / count
            )
            for number in range(2 * count)
        ]
        return steps(lambda: drain(queue_of(*items), now=40.0)) / len(items)

    assert per_item(3_000) < 3 * per_item(30)


def test_a_group_with_many_callers_is_blocked_and_unblocked_at_no_cost_while_nothing_else_waits() -> None:
    queue = queue_of(*(Item(number=number, fairness_key=f"c{number}") for number in range(1_000)))
    queue.peek(0.0)

    def turn() -> None:
        queue.pop(0.0)
        queue.block("f", "g")
        assert queue.peek(0.0) is None
        queue.unblock("f", "g")

    assert steps(turn) < 200


class Watched:
    """Something whose end can be observed."""


def test_removed_items_do_not_pile_up() -> None:
    queue = ReadyQueue[Watched](AGE_STEP)
    standing = Watched()
    queue.push(standing, family="f", group="g", priority=2, fairness_key=None, entered=0.0)
    alive: weakref.WeakSet[Watched] = weakref.WeakSet()
    for number in range(10_000):
        item = Watched()
        alive.add(item)
        queue.push(item, family="f", group="g", priority=2, fairness_key=None, entered=float(number % 7))
        queue.remove(item)
        del item
    gc.collect()
    assert len(queue) == 1
    assert len(alive) < 50


@pytest.mark.parametrize("removed", [True, False])
def test_the_last_item_to_leave_is_let_go_at_once(removed: bool) -> None:
    queue = ReadyQueue[Watched](AGE_STEP)
    gc.disable()
    try:
        item = Watched()
        reference = weakref.ref(item)
        queue.push(item, family="f", group="g", priority=2, fairness_key="a", entered=0.0)
        if removed:
            queue.remove(item)
        else:
            queue.pop(0.0)
        del item
        assert reference() is None
    finally:
        gc.enable()


def test_a_hundred_thousand_items_wait_in_order() -> None:
    queue = ReadyQueue[int](AGE_STEP)
    for number in range(100_000):
        queue.push(number, family="f", group="g", priority=2, fairness_key=None, entered=0.0)
    for number in range(0, 100_000, 2):
        assert queue.remove(number)
    assert [queue.pop(0.0) for _ in range(50_000)] == list(range(1, 100_000, 2))


@given(
    served_each_second=st.integers(1, 5),
    fairness_key=st.sampled_from(["busy", None]),
    priority=st.sampled_from([TaskPriority.CRITICAL, TaskPriority.HIGH]),
)
@settings(max_examples=12, deadline=None)
def test_a_background_task_runs_in_the_end_under_a_steady_stream_of_urgent_ones(
    served_each_second: int, fairness_key: str | None, priority: int
) -> None:
    background = Item(number=0, priority=TaskPriority.BACKGROUND)
    queue = queue_of(background)
    risen_at = int(TaskPriority.BACKGROUND * AGE_STEP)
    number = 0
    for second in range(risen_at + 1):
        for _ in range(served_each_second + 1):  # one more than can be served
            number += 1
            push(queue, Item(number=number, priority=priority, fairness_key=fairness_key, entered=float(second)))
        served = [queue.pop(float(second)) for _ in range(served_each_second)]
        if background in served:
            break
    assert background not in queue


class AnyUse(RuleBasedStateMachine):
    """Any use of a queue, beside a plain list that is searched through for every answer."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = ReadyQueue[Item](AGE_STEP)
        self.model: dict[Item, int] = {}
        self.taken: list[Item] = []
        self.turns: dict[str | None, int] = {}
        self.blocked: set[tuple[str, str | None]] = set()
        self.now = 1_000.0
        self.pushed = 0
        self.last_turn = 0

    def level(self, item: Item) -> int:
        risen = sum(item.entered + times * AGE_STEP <= self.now for times in range(1, item.priority + 1))
        return item.priority - risen

    def rank(self, item: Item) -> tuple[int, int, float, int]:
        return (self.level(item), self.turns[item.fairness_key], item.entered, self.model[item])

    def next_turn(self) -> int:
        self.last_turn += 1
        return self.last_turn

    def leave(self, item: Item) -> None:
        del self.model[item]
        if all(other.fairness_key != item.fairness_key for other in self.model):
            del self.turns[item.fairness_key]

    def wait(self, item: Item) -> None:
        self.pushed += 1
        if item.fairness_key not in self.turns:
            self.turns[item.fairness_key] = self.next_turn()
        self.model[item] = self.pushed
        push(self.queue, item)

    @rule(
        count=st.integers(1, 5),
        family=st.sampled_from("xy"),
        key=st.sampled_from("12"),
        priority=st.sampled_from(TaskPriority),
        fairness_key=st.sampled_from(["a", "b", "c", None]),
        waited=st.sampled_from([0.0, 0.0, 0.0, 1.0, 29.9, 30.0, 100.0, -5.0]),
    )
    def push(self, count: int, family: str, key: str, priority: int, fairness_key: str | None, waited: float) -> None:
        for _ in range(count):
            self.wait(
                Item(
                    number=self.pushed,
                    family=family,
                    group=family + key,
                    priority=priority,
                    fairness_key=fairness_key,
                    entered=self.now - waited,
                )
            )

    @invariant()
    def it_knows_how_many_wait_and_since_when(self) -> None:
        entered: dict[int, list[float]] = {}
        for item in self.model:
            entered.setdefault(int(item.priority), []).append(item.entered)
        known = self.queue.by_priority(self.now)
        assert {priority: (one.count, one.since) for priority, one in known.items()} == {
            priority: (len(times), min(times)) for priority, times in entered.items()
        }

    @rule(family=st.sampled_from("xy"), key=st.sampled_from(["1", "2", None]), is_blocked=st.booleans())
    def block(self, family: str, key: str | None, is_blocked: bool) -> None:
        group = None if key is None else family + key
        if is_blocked:
            self.queue.block(family, group)
            self.blocked.add((family, group))
        else:
            self.queue.unblock(family, group)
            self.blocked.discard((family, group))

    @rule()
    def pop(self) -> None:
        ready = [
            item for item in self.model if self.blocked.isdisjoint({(item.family, None), (item.family, item.group)})
        ]
        expected = min(ready, key=self.rank, default=None)
        assert self.queue.peek(self.now) is expected
        assert self.queue.pop(self.now) is expected
        if expected is not None:
            self.turns[expected.fairness_key] = self.next_turn()
            self.leave(expected)
            self.taken.append(expected)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        self.wait(self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1))))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), share=st.sampled_from([0.0, 0.5, 1.0]))
    def remove(self, data: st.DataObject, share: float) -> None:
        items = data.draw(st.permutations(list(self.model)))
        for item in items[: 1 + int(share * (len(items) - 1))]:
            self.leave(item)
            assert self.queue.remove(item)
            assert not self.queue.remove(item)

    @rule(seconds=st.sampled_from([0.1, 1.0, 15.0, 30.0, 200.0, -1.0, -40.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def everything_waiting_is_counted(self) -> None:
        assert len(self.queue) == len(self.model)
        assert self.queue.waiting(self.now) == Counter(self.level(item) for item in self.model)


AnyUse.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyUse = AnyUse.TestCase
