from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import CyclicDependency, DuplicateTaskId, UnknownDependency
from vera_orchestrator.graph import check_graph, check_unique, levels, topological_order

Edges = dict[str, list[str]]


@st.composite
def acyclic(draw: st.DrawFn) -> Edges:
    """Graphs whose tasks depend on earlier ones of a hidden order, listed in another."""
    ids = [f"t{number}" for number in range(draw(st.integers(0, 12)))]
    nodes = {
        task_id: draw(st.lists(st.sampled_from(ids[:index]), unique=True)) if index else []
        for index, task_id in enumerate(ids)
    }
    return {task_id: nodes[task_id] for task_id in draw(st.permutations(ids))}


@st.composite
def any_graph(draw: st.DrawFn) -> Edges:
    ids = [f"t{number}" for number in range(draw(st.integers(1, 7)))]
    return {task_id: draw(st.lists(st.sampled_from(ids), max_size=3)) for task_id in ids}


def chain(length: int) -> Edges:
    return {f"t{number}": [f"t{number - 1}"] if number else [] for number in range(length)}


def test_a_graph_without_tasks_is_valid() -> None:
    check_graph({})
    assert topological_order({}) == []
    assert levels({}) == []


def test_a_diamond_is_no_cycle() -> None:
    check_graph({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})


def test_a_cycle_is_named_by_its_tasks_from_the_earliest_on() -> None:
    with pytest.raises(CyclicDependency, match="a → b → a") as caught:
        check_graph({"start": [], "tail": ["b"], "a": ["start", "b"], "b": ["a"]})
    assert "start" not in str(caught.value)
    assert "tail" not in str(caught.value)
    assert caught.value.remedy


def test_a_task_that_depends_on_itself_is_a_cycle() -> None:
    with pytest.raises(CyclicDependency, match="a → a"):
        check_graph({"a": ["a"]})


def test_an_error_about_a_long_cycle_stays_readable() -> None:
    nodes = chain(10_000)
    nodes["t0"] = ["t9999"]
    with pytest.raises(CyclicDependency, match=r"t0 → t9999 → .*more\) → .*t1 → t0") as caught:
        check_graph(nodes)
    shown = caught.value.message.count(" → ") - 1
    assert f"({10_000 - shown} more)" in caught.value.message
    assert len(str(caught.value)) < 1_000


def test_an_unknown_dependency_names_the_task_and_the_missing_id() -> None:
    with pytest.raises(UnknownDependency, match=r"'b' depends on 'ghost'.*Add the task 'ghost'.*correct depends_on"):
        check_graph({"a": [], "b": ["a", "ghost"]})


def test_a_dependency_named_twice_counts_once() -> None:
    assert levels({"b": ["a", "a"], "a": []}) == [["a"], ["b"]]


def test_an_id_given_twice_is_named() -> None:
    check_unique(["a", "b", "c"])
    with pytest.raises(DuplicateTaskId, match="'b'"):
        check_unique(["a", "b", "c", "b"])


def test_long_chains_are_handled() -> None:
    nodes = dict(reversed(chain(10_000).items()))
    check_graph(nodes)
    assert topological_order(nodes) == list(chain(10_000))
    assert len(levels(nodes)) == 10_000


def test_order_and_levels_keep_the_order_of_submission() -> None:
    nodes: Edges = {"z": [], "late": ["m"], "m": [], "a": ["z"]}
    assert topological_order(nodes) == ["z", "m", "late", "a"]
    assert levels(nodes) == [["z", "m"], ["late", "a"]]


def test_a_task_lies_below_the_longest_of_its_chains() -> None:
    assert levels({"end": ["a", "c"], "a": [], "b": ["a"], "c": ["b"]}) == [["a"], ["b"], ["c"], ["end"]]


@pytest.mark.parametrize("ordering", [topological_order, levels])
def test_what_is_no_graph_has_no_order(ordering: object) -> None:
    assert callable(ordering)
    with pytest.raises(CyclicDependency):
        ordering({"a": ["b"], "b": ["a"]})
    with pytest.raises(UnknownDependency):
        ordering({"a": ["b"]})


@given(any_graph())
def test_exactly_the_graphs_with_a_cycle_are_refused(nodes: Edges) -> None:
    try:
        TopologicalSorter(nodes).prepare()
    except CycleError:
        with pytest.raises(CyclicDependency) as caught:
            check_graph(nodes)
        cycle = caught.value.message.removeprefix("Tasks wait for each other: ").removesuffix(".").split(" → ")
        assert cycle[0] == cycle[-1]
        assert all(dependency in nodes[task_id] for task_id, dependency in pairwise(cycle))
    else:
        check_graph(nodes)


@given(acyclic())
def test_each_place_of_the_order_has_the_earliest_task_that_may_stand_there(nodes: Edges) -> None:
    expected: list[str] = []
    while len(expected) < len(nodes):
        expected.append(
            next(task_id for task_id in nodes if task_id not in expected and set(nodes[task_id]) <= set(expected))
        )
    assert topological_order(nodes) == expected


@given(acyclic())
def test_every_task_lies_one_level_below_the_deepest_of_its_dependencies(nodes: Edges) -> None:
    by_level = levels(nodes)
    level = {task_id: number for number, ids in enumerate(by_level) for task_id in ids}
    assert level.keys() == nodes.keys()
    for task_id, dependencies in nodes.items():
        assert level[task_id] == max((level[dependency] + 1 for dependency in dependencies), default=0)
    for ids in by_level:
        assert ids == [task_id for task_id in nodes if task_id in ids]
