"""Who waits for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.runtime.dependencies import Dependencies


def test_a_task_is_ready_once_the_last_it_waits_for_has_ended() -> None:
    dependencies = Dependencies()
    dependencies.add(3, {1: True, 2: True})
    assert dependencies.is_waiting(3)
    assert dependencies.ended(1, success=True) == ([], [])
    assert dependencies.ended(2, success=True) == ([3], [])
    assert not dependencies.is_waiting(3)


def test_one_that_needs_success_is_doomed_by_a_failure_and_so_are_those_after_it() -> None:
    dependencies = Dependencies()
    dependencies.add(2, {1: True})
    dependencies.add(3, {2: True, 9: True})
    dependencies.add(4, {3: True, 2: True})
    assert dependencies.ended(1, success=False) == ([], [2, 3, 4])
    assert dependencies.awaited() == set()
    assert dependencies.ended(9, success=True) == ([], [])


def test_one_that_takes_any_outcome_waits_until_the_doomed_one_has_really_ended() -> None:
    dependencies = Dependencies()
    dependencies.add(2, {1: True})
    dependencies.add(3, {2: False})
    assert dependencies.ended(1, success=False) == ([], [2])
    assert dependencies.is_waiting(3)
    assert dependencies.ended(2, success=False) == ([3], [])


def test_one_that_is_dropped_is_heard_of_no_more() -> None:
    dependencies = Dependencies()
    dependencies.add(2, {1: True})
    dependencies.add(3, {1: True})
    dependencies.drop(2)
    dependencies.drop(2)
    assert dependencies.ended(1, success=True) == ([3], [])
    assert not dependencies.has_dependents(1)


def test_wide_and_deep_graphs_take_time_in_proportion_to_their_edges() -> None:
    dependencies = Dependencies()
    wide, deep = range(1, 50_001), range(50_001, 100_000)
    for key in wide:
        dependencies.add(key, {0: True, 100_000: True})
    dependencies.add(50_001, {1: True})
    for key in deep[1:]:
        dependencies.add(key, {key - 1: True})
    ready, doomed = dependencies.ended(0, success=False)
    assert ready == []
    assert len(doomed) == 99_999
    assert dependencies.awaited() == set()


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, dict[int, bool]]:
    count = draw(st.integers(1, 15))
    return {
        key: draw(st.dictionaries(st.integers(0, key - 1), st.booleans(), max_size=4)) if key else {}
        for key in range(count)
    }


@given(graph=graphs(), fails=st.sets(st.integers(0, 14)), chance=st.randoms(use_true_random=False))
def test_whatever_the_graph_each_task_is_named_once_and_rightly(
    graph: dict[int, dict[int, bool]], fails: set[int], chance: object
) -> None:
    dependencies = Dependencies()
    for key, after in graph.items():
        if after:
            dependencies.add(key, after)
    running = [key for key, after in graph.items() if not after]
    succeeded: dict[int, bool] = {}
    doomed_ones: list[int] = []
    while running or doomed_ones:
        pool = running or doomed_ones
        key = pool.pop(chance.randrange(len(pool)))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
        assert key not in succeeded
        success = pool is running and key not in fails
        succeeded[key] = success
        ready, doomed = dependencies.ended(key, success=success)
        running += ready
        doomed_ones += doomed
        assert not set(running) & set(doomed_ones)
        for one in ready:
            assert all(up in succeeded and (succeeded[up] or not needs) for up, needs in graph[one].items())
    assert set(succeeded) == set(graph)
    for key, after in graph.items():
        if any(needs and not succeeded[up] for up, needs in after.items()):
            assert not succeeded[key]
        elif key not in fails:
            assert succeeded[key]
    assert dependencies.awaited() == set()
