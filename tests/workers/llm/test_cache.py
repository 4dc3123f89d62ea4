"""Answers are kept under what determines them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import TaskType
from vera_orchestrator.models import Task, TaskRequirements
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker

CLOUD, LOCAL = LLMAPIWorker("openai", KEY), OllamaWorker("http://127.0.0.1:9")


def key_of(*, type_: TaskType = TaskType.LLM_REQUEST, more: dict[str, Any] | None = None, **payload: Any) -> str | None:
    task = Task(type=type_, payload={"prompt": "hi", "cache": True, **payload}, **(more or {}))
    assert CLOUD.cache_key(task) == LOCAL.cache_key(task)
    return CLOUD.cache_key(task)


def test_only_a_task_that_asks_for_it_gets_a_kept_answer() -> None:
    assert key_of(cache=False) is None
    assert len(key_of() or "") == 64


def test_the_same_request_has_the_same_name_whoever_runs_it_and_however_it_is_handed_out() -> None:
    assert key_of() == key_of(stream=True) == key_of(model=None) == key_of(more={"metadata": {"note": "x"}})


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "ho"},
        {"model": "m"},
        {"system": "be brief"},
        {"temperature": 0.1},
        {"max_tokens": 5},
        {"seed": 1},
        {"tools": [{"name": "t"}]},
        {"json_schema": {}},
        {"messages": [{"role": "user", "content": "before"}]},
        {"type_": TaskType.OLLAMA_REQUEST},
        {"more": {"requirements": TaskRequirements(worker_capabilities=["openai_api"])}},
        {"more": {"requirements": TaskRequirements(worker_id="mine")}},
        {"more": {"metadata": {"prefer_ollama": True}}},
    ],
)
def test_whatever_changes_the_answer_changes_its_name(other: dict[str, Any]) -> None:
    assert key_of(**other) != key_of()
