"""What each type of task takes."""

from __future__ import annotations

from typing import Any

import pytest

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.payloads import TASK_TYPES, check_payload

MINIMAL: dict[TaskType, dict[str, Any]] = {
    TaskType.TOOL_CALL: {"tool_name": "x"},
    TaskType.LLM_REQUEST: {"prompt": "x"},
    TaskType.OLLAMA_REQUEST: {"messages": [{"role": "user", "content": "x"}]},
    TaskType.CODE_EXECUTION: {"code": "x"},
    TaskType.BACKGROUND_COGNITION: {},
    TaskType.API_REQUEST: {"url": "http://example.org"},
    TaskType.DOCKER_TASK: {"command": "true"},
    TaskType.REMOTE_COMPUTE: {},
    TaskType.PARALLEL_BATCH: {"tasks": [{}]},
    TaskType.CUSTOM: {},
}


def test_every_type_has_its_entry() -> None:
    assert set(MINIMAL) == set(TaskType) <= set(TASK_TYPES)


@pytest.mark.parametrize("kind", list(TaskType))
def test_the_least_that_makes_sense_is_enough_and_more_may_be_given(kind: TaskType) -> None:
    check_payload(kind, MINIMAL[kind])
    check_payload(kind, {**MINIMAL[kind], "something_else": [1]})


@pytest.mark.parametrize("kind", [kind for kind, payload in MINIMAL.items() if payload])
def test_without_it_the_payload_is_refused_with_what_it_takes(kind: TaskType) -> None:
    with pytest.raises(InvalidPayload, match=f"A {kind} takes"):
        check_payload(kind, {})


@pytest.mark.parametrize(
    ("kind", "payload", "says"),
    [
        (TaskType.TOOL_CALL, {"tool_name": 3}, r"payload\.tool_name"),
        (TaskType.LLM_REQUEST, {"prompt": "x", "max_tokens": 0}, r"payload\.max_tokens"),
        (TaskType.LLM_REQUEST, {"prompt": "x", "model": "a\x00"}, r"payload\.model"),
        (TaskType.CODE_EXECUTION, {"code": "x", "language": "cobol"}, r"payload\.language"),
        (TaskType.API_REQUEST, {"url": "http://x", "json": {}, "body": "x"}, "json or body"),
        (TaskType.PARALLEL_BATCH, {"tasks": []}, r"payload\.tasks"),
        (TaskType.PARALLEL_BATCH, {"tasks": [1]}, r"payload\.tasks\.0"),
        (TaskType.CUSTOM, [], "payload: list is not an object"),
    ],
)
def test_what_does_not_fit_is_named(kind: TaskType, payload: Any, says: str) -> None:
    with pytest.raises(InvalidPayload, match=says):
        check_payload(kind, payload)


def test_the_value_at_fault_is_not_quoted_as_it_may_be_a_secret() -> None:
    with pytest.raises(InvalidPayload) as caught:
        check_payload(TaskType.API_REQUEST, {"url": {"token": "s3cr3t-value"}})
    assert "s3cr3t-value" not in str(caught.value)
