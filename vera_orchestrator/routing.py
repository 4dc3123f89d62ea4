"""Which worker a task goes to: a pure decision, given a snapshot.

Subclass `TaskRouter` and pass it to the orchestrator to decide otherwise:

    class CheapestFirst(TaskRouter):
        def rank(self, task, candidates):
            return sorted(candidates, key=lambda candidate: candidate.expected_cost)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import TASK_TYPES

Considered = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A worker that has what a task needs, as it stands now.

    `load` is the share of its slots in use, `latency_ms` its mean time per task, `expected_cost` is in USD.
    `unusable` says why it cannot take the task now (full, rate-limited, set aside, offline), else it is None.
    `failed_before` means that the task's last attempt failed there.
    """

    worker_id: str
    status: WorkerStatus
    load: float
    latency_ms: float
    expected_cost: float = 0.0
    unusable: str | None = None
    failed_before: bool = False


class TaskRouter:
    """Orders the workers that could run a task; stateless, so one can serve many orchestrators."""

    def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return usable candidates, the best first; those left out will not be tried.

        The default prefers workers that did not just fail the task, then low cost, then low load, then low latency.
        """
        del task
        if len(candidates) == 1:
            return candidates
        return sorted(
            candidates,
            key=lambda one: (one.failed_before, one.expected_cost, one.load, one.latency_ms, one.worker_id),
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
