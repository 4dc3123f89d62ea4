"""Tasks, results and requirements as their users make and see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vera_orchestrator.enums import TaskPriority, TaskStatus, TaskType, WorkerCapability
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import ParallelBatch, Task, TaskRequirements, TaskResult, capability_names, utcnow


def test_every_task_has_an_id_of_its_own() -> None:
    assert len({Task().id for _ in range(100)}) == 100


@pytest.mark.parametrize("given", ["high", "HIGH", "High", 1, TaskPriority.HIGH])
def test_a_priority_may_be_given_as_member_name_or_number(given: Any) -> None:
    assert Task(priority=given).priority is TaskPriority.HIGH


def test_a_type_may_be_given_as_member_or_wire_value() -> None:
    assert Task(type="llm_request").type is Task(type=TaskType.LLM_REQUEST).type is TaskType.LLM_REQUEST


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"type": "nonsense"}, "type: 'nonsense'"),
        ({"priority": "soon"}, "critical, high, normal, low, background"),
        ({"priority": 7}, "priority: 7"),
        ({"priority": None}, "priority: None"),
    ],
)
def test_a_value_outside_its_set_is_refused_with_those_there_are(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        Task(**fields)


def test_requirements_may_be_given_as_a_dict_and_capabilities_as_members() -> None:
    requirements: Any = {"worker_capabilities": [WorkerCapability.PYTHON, "own"], "gpu": True}
    task = Task(requirements=requirements)
    assert task.requirements == TaskRequirements(worker_capabilities=["python", "own"], gpu=True)
    assert capability_names([WorkerCapability.PYTHON, "own"]) == {"python", "own"}


def test_capabilities_that_are_no_list_are_refused() -> None:
    capabilities: Any = "python"
    with pytest.raises(InvalidValue, match="worker_capabilities"):
        TaskRequirements(worker_capabilities=capabilities)


def test_the_wire_form_is_json() -> None:
    task = Task(id="t", priority=TaskPriority.LOW, payload={"a": 1}, submitted_at=utcnow())
    task.result = TaskResult(success=True, data=[1], worker_id="w")
    batch = ParallelBatch(id="b", tasks=[task], status=TaskStatus.RUNNING)
    wire = json.loads(json.dumps(batch.to_dict()))
    assert (wire["batch_id"], wire["status"]) == ("b", "running")
    (shown,) = wire["tasks"]
    assert (shown["id"], shown["type"], shown["priority"], shown["status"]) == ("t", "custom", 3, "pending")
    assert (shown["result"]["success"], shown["result"]["data"], shown["result"]["worker_id"]) == (True, [1], "w")
    assert shown["completed_at"] is None
    assert shown["submitted_at"].endswith("+00:00")


def test_hooks_are_not_shown() -> None:
    assert "print" in repr(print)
    assert "print" not in repr(Task(on_complete=print, on_error=print, on_progress=print))


@pytest.mark.parametrize("status", list(TaskStatus))
def test_three_statuses_are_final(status: TaskStatus) -> None:
    assert status.is_final == (status in ("completed", "failed", "cancelled"))


@pytest.mark.parametrize("name", ["depends_on", "depends_on_any"])
def test_one_id_in_place_of_a_list_of_dependencies_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: "first"}
    with pytest.raises(InvalidValue, match=f"{name}: 'first' is not a list"):
        Task(**given)
