"""Tasks from plain JSON objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from vera_orchestrator.enums import TaskPriority, TaskStatus, TaskType
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import Task
from vera_orchestrator.task_json import task_from_json


def test_a_whole_task_is_read() -> None:
    task = task_from_json(
        {
            "id": "t",
            "type": "code_execution",
            "priority": "high",
            "payload": {"code": "1"},
            "requirements": {"gpu": True, "worker_capabilities": ["python"]},
            "scheduled_at": "2026-01-31T12:00:00+00:00",
            "max_retries": 0,
            "tags": ["x"],
            "depends_on": ["a"],
            "store": False,
        }
    )
    assert (task.id, task.type, task.priority) == ("t", TaskType.CODE_EXECUTION, TaskPriority.HIGH)
    assert (task.requirements.gpu, task.requirements.worker_capabilities) == (True, ["python"])
    assert task.scheduled_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert (task.max_retries, task.tags, task.depends_on, task.store) == (0, ["x"], ["a"], False)


def test_what_is_left_out_or_null_is_as_by_default() -> None:
    task = task_from_json({"timeout_seconds": None, "payload": {}})
    assert (task.type, task.priority, task.max_retries) == (TaskType.CUSTOM, TaskPriority.NORMAL, 3)
    assert task.timeout_seconds is None
    assert task.id != task_from_json({}).id


def test_what_only_the_orchestrator_sets_is_left_out_so_that_a_shown_task_can_be_sent_again() -> None:
    shown = Task(id="t", status=TaskStatus.FAILED, retry_count=3, submitted_at=datetime.now(UTC)).to_dict()
    task = task_from_json(json.loads(json.dumps(shown)))
    assert (task.id, task.status, task.retry_count, task.submitted_at) == ("t", TaskStatus.PENDING, 0, None)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"prioritty": 1}, InvalidPayload, "prioritty"),
        ({"type": "nonsense"}, InvalidValue, "nonsense"),
        ({"priority": "whenever"}, InvalidValue, "whenever"),
        ({"priority": 9}, InvalidValue, "9"),
        ({"scheduled_at": "tomorrow"}, InvalidValue, "scheduled_at"),
        ({"tags": "x"}, InvalidValue, "tags"),
        ({"depends_on": "a"}, InvalidValue, "depends_on"),
        ({"max_retries": "3"}, InvalidValue, "max_retries"),
        ({"max_retries": True}, InvalidValue, "max_retries"),
        ({"metadata": []}, InvalidValue, "metadata"),
        ({"requirements": {"wings": 2}}, InvalidPayload, "requirements"),
        ({"requirements": {"worker_capabilities": "python"}}, InvalidValue, "worker_capabilities"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(fields: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        task_from_json(fields)
