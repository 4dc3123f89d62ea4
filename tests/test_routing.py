"""Which worker a task goes to."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from vera_orchestrator.enums import RoutingStrategy, TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import InvalidValue
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


PAIR = (
    one("cheap", expected_cost=0.1, load=0.5, latency_ms=900.0, last_chosen=7),
    one("quick", expected_cost=0.9, load=0.7, latency_ms=100.0, last_chosen=9),
    one("idle", expected_cost=0.5, load=0.0, latency_ms=500.0, last_chosen=8),
)


@pytest.mark.parametrize(
    ("strategy", "first"),
    [("cost", "cheap"), ("latency", "quick"), ("load", "idle"), ("round_robin", "cheap")],
)
def test_the_strategy_of_the_router_decides_unless_the_task_names_one(strategy: str, first: str) -> None:
    named = Task(requirements=TaskRequirements(routing=strategy))  # pyright: ignore[reportArgumentType]
    assert TaskRouter().rank(named, PAIR)[0].worker_id == first
    assert TaskRouter(RoutingStrategy(strategy)).rank(Task(), PAIR)[0].worker_id == first


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"requirements\.routing: 'luck' is not a strategy\. Use one of cost"):
        TaskRequirements(routing="luck")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("prefer", "first"), [(True, "local"), (False, "cloud"), (None, "cloud")], ids=["ollama", "others", "neither"]
)
def test_ollama_is_preferred_or_comes_last_as_the_task_says(prefer: bool | None, first: str) -> None:
    local = one("local", capabilities=frozenset({"llm_inference", "ollama"}), expected_cost=0.2)
    cloud = one("cloud", capabilities=frozenset({"llm_inference"}), expected_cost=0.1)
    task = Task(metadata={} if prefer is None else {"prefer_ollama": prefer})
    assert TaskRouter().rank(task, [local, cloud])[0].worker_id == first


def test_the_callers_order_of_models_comes_before_the_strategy_and_sure_workers_before_others() -> None:
    expected = [
        one("d", position=0, expected_cost=0.9),
        one("c", position=0, certain=False),
        one("b", position=1, expected_cost=0.1),
        one("a", position=1, expected_cost=0.2),
    ]
    for order in itertools.permutations(expected):
        assert list(TaskRouter().rank(Task(), order)) == expected
