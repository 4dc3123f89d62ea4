from __future__ import annotations

import gc
import math
import weakref
from collections import Counter
from collections.abc import Hashable
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
    queue.push(item, group=item.group, priority=item.priority, fairness_key=item.fairness_key, entered=item.entered)


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


def test_no_task_rises_above_the_highest_level() -> None:
    old = Item(number=1, priority=TaskPriority.BACKGROUND, entered=100.0)
    critical = Item(number=2, priority=TaskPriority.CRITICAL, entered=99.0)
    assert drain(queue_of(old, critical), now=1e6) == [2, 1]


def test_a_clock_that_was_set_back_makes_nobody_less_urgent() -> None:
    queue = queue_of(Item(number=1, entered=1_000.0), Item(number=2, priority=TaskPriority.LOW, entered=0.0))
    assert queue.waiting(0.0) == {2: 1, 3: 1}
    assert drain(queue, now=0.0) == [1, 2]


def test_a_blocked_task_never_hides_a_ready_one() -> None:
    blocked = (Item(number=number, group="full", priority=TaskPriority.CRITICAL) for number in range(1_000))
    queue = queue_of(*blocked, Item(number=1_000, group="free", priority=TaskPriority.BACKGROUND))
    taken = queue.pop(0.0, {"full"})
    assert taken is not None
    assert taken.number == 1_000
    assert queue.pop(0.0, {"full"}) is None
    assert len(queue) == 1_000


def test_which_groups_are_blocked_may_be_a_function_asked_once_for_each_group() -> None:
    queue = queue_of(*(Item(number=number, group="full" if number % 2 else "free") for number in range(10)))
    asked: list[Hashable] = []

    def is_full(group: Hashable) -> bool:
        asked.append(group)
        return group == "full"

    taken = queue.pop(0.0, is_full)
    assert taken is not None
    assert taken.group == "free"
    assert sorted(map(str, asked)) == ["free", "full"]


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


def test_a_turn_is_remembered_while_a_caller_has_nothing_waiting() -> None:
    queue = queue_of(Item(number=1, fairness_key="a"))
    assert drain(queue) == [1]
    push(queue, Item(number=2, fairness_key="a"))
    push(queue, Item(number=3, fairness_key="b"))
    assert drain(queue) == [3, 2]


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
    assert queue.peek(0.0, {"g"}) is None
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


def test_groups_and_levels_are_counted() -> None:
    queue = queue_of(
        Item(number=1, group="a"),
        Item(number=2, group="a", entered=50.0),
        Item(number=3, group="b", priority=TaskPriority.BACKGROUND),
        gone := Item(number=4, group="c"),
    )
    queue.remove(gone)
    assert queue.groups() == {"a": 2, "b": 1}
    assert queue.waiting(70.0) == {0: 1, 2: 2}
    drain(queue)
    assert queue.groups() == {}
    assert queue.waiting(0.0) == {}


def test_the_oldest_of_a_group_is_known_whatever_its_priority() -> None:
    queue = queue_of(
        Item(number=1, entered=2.0, priority=TaskPriority.CRITICAL),
        oldest := Item(number=2, entered=1.0, priority=TaskPriority.BACKGROUND),
        Item(number=3, entered=0.0, group="another"),
    )
    assert queue.oldest("g") is oldest
    assert queue.oldest("nobody") is None


class Watched:
    """Something whose end can be observed."""


def test_removed_items_do_not_pile_up() -> None:
    queue = ReadyQueue[Watched](AGE_STEP)
    standing = Watched()
    queue.push(standing, group="g", priority=2, fairness_key=None, entered=0.0)
    alive: weakref.WeakSet[Watched] = weakref.WeakSet()
    for number in range(10_000):
        item = Watched()
        alive.add(item)
        queue.push(item, group="g", priority=2, fairness_key=None, entered=float(number % 7))
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
        queue.push(item, group="g", priority=2, fairness_key="a", entered=0.0)
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
        queue.push(number, group="g", priority=2, fairness_key=None, entered=0.0)
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
        self.turns: Counter[str | None] = Counter()
        self.now = 1_000.0
        self.pushed = 0
        self.served = 0

    def level(self, item: Item) -> int:
        return max(0, item.priority - max(0, math.floor((self.now - item.entered) / AGE_STEP)))

    def rank(self, item: Item) -> tuple[int, int, float, int]:
        return (self.level(item), self.turns[item.fairness_key], item.entered, self.model[item])

    def wait(self, item: Item) -> None:
        self.pushed += 1
        self.model[item] = self.pushed
        push(self.queue, item)

    @rule(
        count=st.integers(1, 5),
        group=st.sampled_from("xyz"),
        priority=st.sampled_from(TaskPriority),
        fairness_key=st.sampled_from(["a", "b", None]),
        waited=st.sampled_from([0.0, 0.0, 0.0, 1.0, 29.9, 30.0, 100.0, -5.0]),
    )
    def push(self, count: int, group: str, priority: int, fairness_key: str | None, waited: float) -> None:
        for _ in range(count):
            self.wait(
                Item(
                    number=self.pushed,
                    group=group,
                    priority=priority,
                    fairness_key=fairness_key,
                    entered=self.now - waited,
                )
            )

    @rule(blocked=st.sets(st.sampled_from("xyz"), max_size=2), as_function=st.booleans())
    def pop(self, blocked: set[str], as_function: bool) -> None:
        ready = [item for item in self.model if item.group not in blocked]
        expected = min(ready, key=self.rank, default=None)
        argument = blocked.__contains__ if as_function else blocked
        assert self.queue.peek(self.now, argument) is expected
        assert self.queue.pop(self.now, argument) is expected
        if expected is not None:
            del self.model[expected]
            self.served += 1
            self.turns[expected.fairness_key] = self.served
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
            del self.model[item]
            assert self.queue.remove(item)
            assert not self.queue.remove(item)

    @rule(seconds=st.sampled_from([0.1, 1.0, 15.0, 30.0, 200.0, -1.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def everything_waiting_is_counted(self) -> None:
        assert len(self.queue) == len(self.model)
        assert self.queue.groups() == Counter(item.group for item in self.model)
        assert self.queue.waiting(self.now) == Counter(self.level(item) for item in self.model)

    @invariant()
    def the_oldest_of_each_group_is_known(self) -> None:
        for group in "xyz":
            members = [item for item in self.model if item.group == group]
            oldest = min(members, key=lambda item: (item.entered, self.model[item]), default=None)
            assert self.queue.oldest(group) is oldest


AnyUse.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyUse = AnyUse.TestCase
