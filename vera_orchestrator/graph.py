"""The dependency graph of a batch: is it one, in which order, in which levels.

A graph maps each task's id to the ids that it depends on; the order of the mapping is the order of submission. Nothing
here recurses, so that a chain may be as long as a batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heapify, heappop, heappush

from vera_orchestrator.errors import CyclicDependency, DuplicateTaskId, UnknownDependency

Graph = Mapping[str, Collection[str]]

SHOWN_OF_A_CYCLE = 20
"""Tasks of a cycle that an error names; of a longer one the middle is left out."""


def check_unique(ids: Sequence[str]) -> None:
    """Raise DuplicateTaskId, naming it, if an id comes twice."""
    seen: set[str] = set()
    for task_id in ids:
        if task_id in seen:
            raise DuplicateTaskId(
                f"{task_id!r} is the id of two tasks of the batch.",
                field="id",
                remedy="Give every task of a batch an id of its own.",
            )
        seen.add(task_id)


def check_graph(nodes: Graph) -> None:
    """Raise unless every dependency is a task of the graph and no task waits for itself.

    Raises UnknownDependency naming the task and the missing id, CyclicDependency naming the tasks of the cycle, each
    followed by one that it depends on. Takes time in proportion to tasks and dependencies.
    """
    waiting_for, dependents = _edges(nodes)
    ready = [task_id for task_id, count in waiting_for.items() if not count]
    for task_id in ready:  # grows while it is read
        ready += _freed(task_id, waiting_for, dependents)
    if len(ready) < len(nodes):
        raise _cyclic(nodes, waiting_for)


def topological_order(nodes: Graph) -> list[str]:
    """Return the ids, each after all that it depends on, and otherwise in the order of the graph.

    At each place stands the earliest task that may stand there. Raises as `check_graph` does.
    """
    waiting_for, dependents = _edges(nodes)
    ids = list(nodes)
    place = {task_id: index for index, task_id in enumerate(ids)}
    ready = [place[task_id] for task_id, count in waiting_for.items() if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        task_id = ids[heappop(ready)]
        order.append(task_id)
        for freed in _freed(task_id, waiting_for, dependents):
            heappush(ready, place[freed])
    if len(order) < len(nodes):
        raise _cyclic(nodes, waiting_for)
    return order


def levels(nodes: Graph) -> list[list[str]]:
    """Return the ids by level: a task's level is the length of the longest chain of dependencies below it.

    So all that a task depends on lies in earlier levels, and tasks of one level do not depend on each other. Within a
    level the order of the graph is kept. Raises as `check_graph` does.
    """
    level: dict[str, int] = {}
    for task_id in topological_order(nodes):
        level[task_id] = 1 + max((level[dependency] for dependency in nodes[task_id]), default=-1)
    result: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for task_id in nodes:
        result[level[task_id]].append(task_id)
    return result


def _edges(nodes: Graph) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return how many dependencies each task waits for, and the tasks that wait for it."""
    dependents: dict[str, list[str]] = {task_id: [] for task_id in nodes}
    for task_id, dependencies in nodes.items():
        for dependency in dependencies:
            if dependency not in dependents:
                raise UnknownDependency(
                    f"Task {task_id!r} depends on {dependency!r}, which is no task of the batch.",
                    field="depends_on",
                    remedy=f"Add the task {dependency!r} to the batch or correct depends_on.",
                )
            dependents[dependency].append(task_id)
    return {task_id: len(dependencies) for task_id, dependencies in nodes.items()}, dependents


def _freed(task_id: str, waiting_for: dict[str, int], dependents: Mapping[str, Sequence[str]]) -> list[str]:
    """Count a task as done, and return the tasks that wait for nothing more."""
    freed: list[str] = []
    for dependent in dependents[task_id]:
        waiting_for[dependent] -= 1
        if not waiting_for[dependent]:
            freed.append(dependent)
    return freed


def _cyclic(nodes: Graph, waiting_for: Mapping[str, int]) -> CyclicDependency:
    """Return the error for a graph in which these tasks still wait."""
    cycle = _cycle(nodes, waiting_for)
    shown = [*cycle, cycle[0]]
    if len(cycle) > SHOWN_OF_A_CYCLE:
        half = SHOWN_OF_A_CYCLE // 2
        shown[half:-half] = [f"({len(cycle) - SHOWN_OF_A_CYCLE + 1} more)"]
    return CyclicDependency(
        f"Tasks wait for each other: {' → '.join(shown)}.",
        field="depends_on",
        remedy="Remove one of these dependencies.",
    )


def _cycle(nodes: Graph, waiting_for: Mapping[str, int]) -> list[str]:
    """Return a cycle, from its earliest task on.

    A task that still waits has a dependency that still waits, so following those must come back to a task seen before.
    """
    task_id = next(task_id for task_id in nodes if waiting_for[task_id])
    steps: dict[str, int] = {}
    while task_id not in steps:
        steps[task_id] = len(steps)
        task_id = next(dependency for dependency in nodes[task_id] if waiting_for[dependency])
    cycle = list(steps)[steps[task_id] :]
    members = set(cycle)
    start = cycle.index(next(member for member in nodes if member in members))
    return cycle[start:] + cycle[:start]
