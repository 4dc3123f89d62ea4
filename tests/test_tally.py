"""The oldest item of each priority where looking for it takes long."""

from __future__ import annotations

from vera_orchestrator.scheduling import ReadyQueue
from vera_orchestrator.tally import LANES_AT_ONCE, LOOK_SECONDS, Waiting


def test_many_lanes_are_looked_through_only_now_and_then() -> None:
    queue = ReadyQueue[int](30.0)
    many = LANES_AT_ONCE + 10
    for number in range(many):
        queue.push(number, family="f", group=number, priority=2, fairness_key=None, entered=float(number))
    queue.remove(0)
    assert queue.by_priority(0.0) == {2: Waiting(count=many - 1, since=1.0)}
    queue.remove(1)
    assert queue.by_priority(LOOK_SECONDS / 2) == {2: Waiting(count=many - 2, since=1.0)}
    assert queue.by_priority(LOOK_SECONDS) == {2: Waiting(count=many - 2, since=2.0)}


def test_the_clock_may_be_set_back() -> None:
    queue = ReadyQueue[int](30.0)
    for number in range(LANES_AT_ONCE + 2):
        queue.push(number, family="f", group=number, priority=2, fairness_key=None, entered=float(number))
    for gone in (0, 1):
        queue.remove(gone)
        assert queue.by_priority(100.0 - gone)[2].since == gone + 1
