"""Which worker a task goes to: a pure decision, given a snapshot.

Subclass `TaskRouter` and pass it to the orchestrator to decide otherwise:

    class CheapestFirst(TaskRouter):
        def rank(self, task, candidates):
            return sorted(candidates, key=lambda candidate: candidate.expected_cost)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vera_orchestrator.enums import RoutingStrategy, WorkerCapability, WorkerStatus
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import TASK_TYPES

Considered = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One way in which a worker can run a task.

    `model` is set where it has several to choose from. `position` is the place in the caller's order of preference, 0
    the first. `expected_cost` is in USD, infinite where it is not known; `certain` is False for a worker that may turn
    out not to have the model.
    """

    model: str | None = None
    position: int = 0
    expected_cost: float = 0.0
    certain: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A worker that has what a task needs, with one of its offers, as it stands now.

    `load` is the share of its slots in use, `latency_ms` its mean time per task, `expected_cost` is in USD; see Offer
    for `model`, `position` and `certain`. `last_chosen` grows with each task that a worker gets: the lowest has waited
    longest. `unusable` says why it cannot take the task now (full, rate-limited, set aside, offline), else it is None.
    `failed_before` means that an attempt of the task failed there.
    """

    worker_id: str
    status: WorkerStatus
    load: float
    latency_ms: float
    expected_cost: float = 0.0
    unusable: str | None = None
    failed_before: bool = False
    capabilities: frozenset[str] = frozenset()
    model: str | None = None
    position: int = 0
    certain: bool = True
    last_chosen: int = 0


_ORDERS: Mapping[RoutingStrategy, Callable[[Candidate], tuple[float, ...]]] = {
    RoutingStrategy.COST: lambda one: (one.expected_cost, one.load, one.latency_ms),
    RoutingStrategy.LATENCY: lambda one: (one.latency_ms, one.load, one.expected_cost),
    RoutingStrategy.LOAD: lambda one: (one.load, one.expected_cost, one.latency_ms),
    RoutingStrategy.ROUND_ROBIN: lambda one: (one.last_chosen,),
}


class TaskRouter:
    """Orders the workers that could run a task by a strategy; keeps nothing, so one can serve many orchestrators."""

    strategy: RoutingStrategy = RoutingStrategy.COST

    def __init__(self, strategy: RoutingStrategy | None = None) -> None:
        if strategy is not None:
            self.strategy = strategy

    def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return usable candidates, the best first; those left out will not be tried.

        The default prefers workers where no attempt of the task has failed, then Ollama or the others as the task's
        metadata say with `prefer_ollama`, then the caller's order of models, then workers that surely have the model,
        then the order of the strategy: that in the task's requirements, else the router's own.
        """
        if len(candidates) == 1:
            return candidates
        order = _ORDERS[task.requirements.routing or self.strategy]
        prefer_ollama = task.metadata.get("prefer_ollama")
        return sorted(
            candidates,
            key=lambda one: (
                one.failed_before,
                prefer_ollama is not None and (WorkerCapability.OLLAMA in one.capabilities) is not prefer_ollama,
                one.position,
                not one.certain,
                order(one),
                one.worker_id,
            ),
        )


def needed_capabilities(task: Task) -> frozenset[str]:
    """Return what a worker must have to run a task: its type's capabilities and those that it names."""
    spec = TASK_TYPES[task.type]
    named = frozenset(task.requirements.worker_capabilities)
    if task.requirements.gpu:
        named |= {"gpu"}
    if spec.replaceable and named:
        return named
    return spec.capabilities | named
