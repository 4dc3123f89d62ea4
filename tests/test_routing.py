"""Which worker a task goes to."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.models import Task, TaskRequirements
from vera_orchestrator.payloads import TASK_TYPES
from vera_orchestrator.routing import Candidate, TaskRouter, needed_capabilities


def one(worker_id: str, **more: Any) -> Candidate:
    fields: dict[str, Any] = {"status": WorkerStatus.IDLE, "load": 0.0, "latency_ms": 0.0, **more}
    return Candidate(worker_id=worker_id, **fields)


def test_workers_that_just_failed_the_task_come_last_then_cost_then_load_then_latency_decide() -> None:
    expected = [
        one("e"),
        one("d", latency_ms=5.0),
        one("c", load=0.5),
        one("b", expected_cost=0.1),
        one("a", failed_before=True),
    ]
    for order in itertools.permutations(expected):
        assert list(TaskRouter().rank(Task(), order)) == expected


def test_between_equals_the_choice_is_always_the_same() -> None:
    assert [each.worker_id for each in TaskRouter().rank(Task(), [one("b"), one("a"), one("c")])] == ["a", "b", "c"]


def test_a_single_candidate_is_taken_even_if_it_failed_before() -> None:
    assert len(TaskRouter().rank(Task(), [one("a", failed_before=True)])) == 1


@pytest.mark.parametrize("kind", list(TaskType))
def test_each_type_asks_for_the_capability_of_its_kind(kind: TaskType) -> None:
    assert needed_capabilities(Task(type=kind)) == TASK_TYPES[kind].capabilities != frozenset()


def test_what_a_task_names_is_asked_for_in_addition() -> None:
    requirements = TaskRequirements(worker_capabilities=["python"], gpu=True)
    task = Task(type=TaskType.CODE_EXECUTION, requirements=requirements)
    assert needed_capabilities(task) == {"code_execution", "python", "gpu"}


def test_a_custom_task_that_names_capabilities_needs_only_those() -> None:
    assert needed_capabilities(Task()) == {"custom"}
    requirements = TaskRequirements(worker_capabilities=[WorkerCapability.PYTHON])  # pyright: ignore[reportArgumentType]
    assert needed_capabilities(Task(requirements=requirements)) == {"python"}
