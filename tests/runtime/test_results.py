"""What a worker may return, and what is kept of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Scripted, run, run_batch
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator


def returning(value: Any) -> Scripted:
    async def give(task: Task) -> Any:
        return value

    return Scripted(give)


async def seen(orchestrator: Orchestrator, task: Task) -> Task:
    one = await orchestrator.get_task(task.id)
    assert one is not None
    return one


@pytest.mark.parametrize("data", [None, True, 0, -1.5, "ä\n\x00", [], {}, {"a": [1, {"b": None}]}])
async def test_a_json_value_comes_back_as_it_was(make: Make, data: Any) -> None:
    orchestrator = await make(returning(TaskResult(success=True, data=data)))
    task = Task()
    assert (await run(orchestrator, task)).data == data
    shown = await seen(orchestrator, task)
    assert shown.result is not None and shown.result.data == data
    assert type(shown.result.data) is type(data)


@pytest.mark.parametrize("data", [object(), {1, 2}, b"bytes", 1 << 70, "\ud800"], ids=lambda one: type(one).__name__)
async def test_a_result_that_has_no_json_form_fails_the_task_and_is_not_tried_again(make: Make, data: object) -> None:
    worker = returning(TaskResult(success=True, data=data, metrics={"m": 1}))
    orchestrator = await make(worker)
    task = Task()
    result = await run(orchestrator, task)
    assert (result.success, result.data, result.error_type) == (False, None, "ResultNotSerializable")
    assert len(worker.ran) == 1
    assert (await seen(orchestrator, task)).status is TaskStatus.FAILED


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {"success": True},
        TaskResult(success=True, metrics=None),  # pyright: ignore[reportArgumentType]
    ],
)
async def test_a_worker_that_returns_no_proper_result_fails_the_task(make: Make, value: object) -> None:
    orchestrator = await make(returning(value))
    result = await run(orchestrator, Task(max_retries=0))
    assert (result.success, result.error_type) == (False, "TaskFailed")


async def test_an_error_that_is_not_a_text_becomes_one(make: Make) -> None:
    orchestrator = await make(returning(TaskResult(success=False, error=ValueError("odd"))))  # pyright: ignore[reportArgumentType]
    assert (await run(orchestrator, Task(max_retries=0))).error == "odd"


async def test_an_unsuccessful_result_without_a_reason_says_so(make: Make) -> None:
    orchestrator = await make(returning(TaskResult(success=False)))
    result = await run(orchestrator, Task(max_retries=0))
    assert result.error == "the worker returned success=False without saying why"


async def test_a_large_result_is_kept_whole(make: Make) -> None:
    text = "0123456789" * 1_000_000
    orchestrator = await make(returning(TaskResult(success=True, data=text)))
    task = Task()
    assert (await run(orchestrator, task)).data == text
    shown = await seen(orchestrator, task)
    assert shown.result is not None and shown.result.data == text


async def test_a_dependent_gets_a_large_result_whole(make: Make) -> None:
    async def length(task: Task) -> TaskResult:
        data = task.payload.get("data") or "x" * 5_000_000
        return TaskResult(success=True, data=data if task.id == "a" else len(data))

    orchestrator = await make(Scripted(length))
    _, result = await run_batch(orchestrator, [Task(id="a"), Task(id="b", depends_on=["a"], payload={"data": "{a}"})])
    assert result.data == 5_000_000


async def test_a_result_above_the_limit_fails_the_task_and_its_ends_are_shown(make: Make) -> None:
    text = "BEGIN" + "x" * 100_000_000 + "END"
    worker = returning(TaskResult(success=True, data=text))
    orchestrator = await make(worker)
    task = Task()
    result = await run(orchestrator, task)
    assert (result.success, result.data, result.error_type) == (False, None, "ResultTooLarge")
    assert result.error is not None
    assert "BEGIN" in result.error and "END" in result.error and "16,000,000" in result.error
    assert len(result.error) < 10_000
    assert len(worker.ran) == 1
    shown = await seen(orchestrator, task)
    assert (shown.status, shown.status_reason) == (TaskStatus.FAILED, result.error)


async def test_the_limit_of_results_can_be_set(make: Make) -> None:
    orchestrator = await make(returning(TaskResult(success=True, data="x" * 2_000)), max_result_bytes=1_000)
    assert (await run(orchestrator, Task())).error_type == "ResultTooLarge"


def bytes_on_disk(folder: Path) -> bytes:
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        text = "\n".join(connection.iterdump())
    connection.close()
    return text.encode() + b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_a_task_that_is_not_to_be_stored_leaves_neither_payload_nor_result(
    make_on_disk: Make, tmp_path: Path
) -> None:
    orchestrator = await make_on_disk(returning(TaskResult(success=True, data="a-result-nobody-may-keep")))
    task = Task(store=False, payload={"data": "a-payload-nobody-may-keep"}, metadata={"note": "stays-not-either"})
    result = await run(orchestrator, task)
    assert result.data == "a-result-nobody-may-keep"
    await orchestrator.stop()
    kept = bytes_on_disk(tmp_path / "state")
    assert task.id.encode() in kept
    assert b"nobody-may-keep" not in kept
    assert b"stays-not-either" not in kept
    shown = await seen(orchestrator, task)
    assert (shown.status, shown.payload) == (TaskStatus.COMPLETED, {})
    assert shown.result is not None and (shown.result.success, shown.result.data) == (True, None)


async def test_a_failed_task_that_is_not_to_be_stored_leaves_nothing_either(make_on_disk: Make, tmp_path: Path) -> None:
    bad = TaskResult(success=False, data="a-result-nobody-may-keep", error="no")
    orchestrator = await make_on_disk(returning(bad))
    await run(orchestrator, Task(store=False, payload={"data": "a-payload-nobody-may-keep"}, max_retries=0))
    await orchestrator.stop()
    assert b"nobody-may-keep" not in bytes_on_disk(tmp_path / "state")


async def test_what_is_to_be_stored_is_found_in_the_file(make_on_disk: Make, tmp_path: Path) -> None:
    orchestrator = await make_on_disk(returning(TaskResult(success=True, data="a-result-to-keep")))
    await run(orchestrator, Task(payload={"data": "a-payload-to-keep"}))
    await orchestrator.stop()
    kept = bytes_on_disk(tmp_path / "state")
    assert b"a-result-to-keep" in kept and b"a-payload-to-keep" in kept


async def test_a_payload_without_a_json_form_is_refused_and_not_accepted(make: Make) -> None:
    orchestrator = await make(Scripted())
    task = Task(payload={"data": {1, 2}})
    with pytest.raises(InvalidPayload, match="payload"):
        await orchestrator.submit_task(task)
    assert await orchestrator.get_task(task.id) is None


async def test_the_history_is_newest_first_and_can_be_narrowed(make: Make) -> None:
    async def fail_some(task: Task) -> TaskResult:
        return TaskResult(success="bad" not in task.id, error="no")

    orchestrator = await make(Scripted(fail_some))
    for name in ("a", "bad", "c"):
        await run(orchestrator, Task(id=name, max_retries=0))
    assert [one["id"] for one in orchestrator.get_task_history()] == ["c", "bad", "a"]
    assert [one["id"] for one in orchestrator.get_task_history(limit=1)] == ["c"]
    assert [one["id"] for one in orchestrator.get_task_history(status_filter="failed")] == ["bad"]
    assert [one["id"] for one in orchestrator.get_task_history(status_filter=TaskStatus.CANCELLED)] == []


async def test_a_stream_ends_with_the_whole_result(make: Make) -> None:
    orchestrator = await make(returning(TaskResult(success=True, data="text")))
    text, end = [chunk async for chunk in orchestrator.submit_stream(Task())]
    assert (text.kind, text.text) == ("text", "text")
    assert end.kind == "end"
    assert end.result is not None
    assert end.result.data == "text"
