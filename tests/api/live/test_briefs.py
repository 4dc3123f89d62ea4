"""Tasks in brief."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api.live.briefs import LONGEST_TEXT, MOST_BYTES, brief
from BackgroundCognition.orchestrator import Task, TaskResult, TaskStatus
from tests.api.support import echoing


def shown(home: Path, task: Task, fraction: float | None = None) -> dict[str, Any]:
    return json.loads(brief(echoing(home), task, fraction))


async def test_a_brief_has_neither_payload_nor_the_data_of_the_result(tmp_path: Path) -> None:
    result = TaskResult(success=True, data="x" * 100_000, metrics={"tokens_used": 3}, worker_id="w")
    task = Task(payload={"data": 1}, result=result, status=TaskStatus.COMPLETED)
    told = shown(tmp_path, task)
    assert set(task.to_dict()) - set(told) == {"payload"}
    assert told["result"] == {"success": True, "error": None, "execution_time_ms": 0.0, "worker_id": "w"}
    assert told["progress"] == 1.0


async def test_progress_is_that_of_the_attempt(tmp_path: Path) -> None:
    assert shown(tmp_path, Task(status=TaskStatus.RUNNING), 0.25)["progress"] == 0.25
    assert shown(tmp_path, Task(status=TaskStatus.RUNNING))["progress"] is None


async def test_what_is_long_is_cut(tmp_path: Path) -> None:
    failed = Task(status=TaskStatus.FAILED, status_reason="y" * 5_000)
    failed.result = TaskResult(success=False, error="x" * 5_000)
    told = shown(tmp_path, failed)
    assert len(told["status_reason"]) == len(told["result"]["error"]) == LONGEST_TEXT + 1
    large = Task(metadata={"text": "x" * MOST_BYTES}, tags=["red"] * 10, depends_on=["a"] * 500)
    told = shown(tmp_path, large)
    assert (told["metadata"], told["is_cut"], len(told["depends_on"])) == ({}, True, 100)


async def test_half_a_surrogate_pair_spoils_nothing(tmp_path: Path) -> None:
    assert shown(tmp_path, Task(metadata={"text": "\ud800"}))["metadata"] == {"text": "\ud800"}
