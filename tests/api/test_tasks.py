"""Submitting, executing and listing tasks."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from BackgroundCognition.orchestrator import TaskPriority, UnifiedOrchestrator
from tests.api.support import EchoWorker, echoing, problem, served

EXECUTED = {"task_id", "success", "data", "error", "metrics", "execution_time_ms", "worker_id"}
TASK = {
    "id",
    "type",
    "priority",
    "status",
    "payload",
    "submitted_at",
    "started_at",
    "completed_at",
    "retry_count",
    "tags",
    "metadata",
    "result",
}


async def test_a_submitted_task_is_accepted_with_an_id_and_runs(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    response = await client.post("/tasks/submit", json={"type": "custom", "payload": {"n": 1}})
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"task_id", "status", "message"}
    assert body["status"] == "submitted"
    assert (await orchestrator.wait_for(body["task_id"], 5)).data == {"n": 1}


async def test_an_executed_task_is_answered_with_its_result(client: httpx.AsyncClient) -> None:
    response = await client.post("/tasks/execute", json={"type": "custom", "payload": {"n": 1}})
    assert response.status_code == 200
    body = response.json()
    assert set(body) >= EXECUTED
    assert (body["success"], body["data"], body["error"], body["worker_id"]) == (True, {"n": 1}, None, "echo")


async def test_a_task_that_fails_is_an_answer_and_no_error(client: httpx.AsyncClient) -> None:
    response = await client.post("/tasks/execute", json={"type": "custom", "payload": {"fail": True}})
    assert response.status_code == 200
    assert response.json()["success"] is False
    assert response.json()["error"] == "as was asked"


async def test_a_task_that_nobody_can_run_is_answered_with_what_is_missing(client: httpx.AsyncClient) -> None:
    response = await client.post("/tasks/execute", json={"type": "remote_compute", "payload": {}})
    assert response.status_code == 200
    assert response.json()["success"] is False
    assert "remote_compute" in response.json()["error"]


async def test_a_task_that_takes_longer_than_the_caller_waits_goes_on(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator, echo: EchoWorker
) -> None:
    task = {"type": "custom", "payload": {"wait": True}, "wait_seconds": 0}
    response = await client.post("/tasks/execute", json=task)
    assert response.status_code == 202
    assert set(response.json()) == {"task_id", "status", "message"}
    echo.gate.set()
    assert (await orchestrator.wait_for(response.json()["task_id"], 5)).success


async def test_every_field_of_a_request_reaches_the_task(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator, echo: EchoWorker
) -> None:
    first = await client.post("/tasks/submit", json={"type": "custom", "id": "first", "payload": {"wait": True}})
    assert first.status_code == 200
    request = {
        "type": "custom",
        "payload": {"text": "{first.wait}"},
        "priority": "HIGH",
        "max_retries": 1,
        "metadata": {"run": 7},
        "id": "second",
        "tags": ["nightly"],
        "depends_on": ["first"],
        "idempotency_key": "key-1",
        "timeout_seconds": 20,
        "requirements": {"worker_id": "echo"},
    }
    assert (await client.post("/tasks/submit", json=request)).json()["task_id"] == "second"
    task = await orchestrator.get_task("second")
    assert task is not None
    assert (task.priority, task.max_retries, task.metadata) == (TaskPriority.HIGH, 1, {"run": 7})
    assert (task.tags, task.depends_on, task.idempotency_key) == (["nightly"], ["first"], "key-1")
    assert (task.timeout_seconds, task.requirements.worker_id) == (20, "echo")
    echo.gate.set()
    assert (await orchestrator.wait_for("second", 5)).data == {"text": True}


async def test_an_idempotency_key_gives_the_earlier_task_back_and_its_result(client: httpx.AsyncClient) -> None:
    request = {"type": "custom", "payload": {"n": 1}, "idempotency_key": "once"}
    first = (await client.post("/tasks/execute", json=request)).json()
    second = (await client.post("/tasks/execute", json=request)).json()
    assert second["task_id"] == first["task_id"]
    assert second["data"] == {"n": 1}
    other = await client.post("/tasks/execute", json={**request, "payload": {"n": 2}})
    problem(other, 409)


@pytest.mark.parametrize("priority", ["critical", "Critical", 0])
async def test_a_priority_is_a_name_in_any_case_or_a_number(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator, priority: str | int
) -> None:
    response = await client.post("/tasks/submit", json={"type": "custom", "priority": priority})
    task = await orchestrator.get_task(response.json()["task_id"])
    assert task is not None
    assert task.priority is TaskPriority.CRITICAL


async def test_a_tool_is_called(client: httpx.AsyncClient) -> None:
    tool = {"tool_name": "text_stats", "tool_input": {"text": "two words"}}
    response = await client.post("/tools/execute", json=tool)
    assert response.status_code == 200
    body = response.json()
    assert {"success", "result", "error", "metrics"} <= set(body)
    assert body["success"]
    assert body["result"]["words"] == 2


async def test_an_unknown_tool_is_an_unsuccessful_answer_that_names_it(client: httpx.AsyncClient) -> None:
    response = await client.post("/tools/execute", json={"tool_name": "no_such_tool"})
    assert response.status_code == 200
    assert response.json()["success"] is False
    assert "no_such_tool" in response.json()["error"]


async def test_a_prompt_without_any_language_model_is_answered_with_what_to_do(tmp_path: Path) -> None:
    async with served(echoing(tmp_path, unavailable_wait_seconds=0)) as client:
        response = await client.post("/llm/request", json={"prompt": "Explain quantum computing"})
    assert response.status_code == 200
    body = response.json()
    assert {"success", "response", "error", "metrics"} <= set(body)
    assert (body["success"], body["response"]) == (False, None)
    assert "ollama" in body["error"].lower()


async def test_the_options_of_a_prompt_reach_its_task(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    request = {"prompt": "Hello", "model": "m", "system": "s", "prefer_ollama": False, "priority": "low"}
    response = await client.post("/llm/request", json={**request, "wait_seconds": 0})
    assert response.status_code == 202
    task = await orchestrator.get_task(response.json()["task_id"])
    assert task is not None
    assert task.payload == {"prompt": "Hello", "model": "m", "system": "s", "temperature": 0.7}
    assert (task.priority, task.metadata) == (TaskPriority.LOW, {"prefer_ollama": False})


async def test_the_history_lists_tasks_newest_first(client: httpx.AsyncClient) -> None:
    for n in range(3):
        await client.post("/tasks/execute", json={"type": "custom", "payload": {"n": n}})
    body = (await client.get("/tasks/history", params={"limit": 2})).json()
    assert set(body) == {"tasks", "count", "next_cursor"}
    assert body["count"] == 2
    assert [task["payload"] for task in body["tasks"]] == [{"n": 2}, {"n": 1}]
    assert all(set(task) >= TASK for task in body["tasks"])
    assert set(body["tasks"][0]["result"]) >= EXECUTED - {"task_id"}
    assert body["tasks"][0]["priority"] == 2


async def test_the_history_can_be_limited_to_a_status(client: httpx.AsyncClient) -> None:
    await client.post("/tasks/execute", json={"type": "custom"})
    await client.post("/tasks/execute", json={"type": "custom", "payload": {"fail": True}})
    body = (await client.get("/tasks/history", params={"status": "failed"})).json()
    assert [task["status"] for task in body["tasks"]] == ["failed"]
    assert problem(await client.get("/tasks/history", params={"status": "lost"}), 400)["field"] == "status"


async def test_what_is_nested_to_the_limit_does_not_spoil_the_history(client: httpx.AsyncClient) -> None:
    content = b'{"type":"custom","payload":' + b'{"a":' * 252 + b"1" + b"}" * 252 + b"}"
    response = await client.post("/tasks/submit", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert (await client.get("/tasks/history")).json()["count"] == 1


async def test_a_task_that_goes_on_has_an_address(client: httpx.AsyncClient, echo: EchoWorker) -> None:
    task = {"type": "custom", "id": "a/b", "payload": {"wait": True}, "wait_seconds": 0}
    response = await client.post("/tasks/execute", json=task)
    address = response.headers["location"]
    assert address == "/api/v2/orchestrator/tasks/a%2Fb"
    echo.gate.set()
    found = await client.get(httpx.URL(str(client.base_url)).join(address), params={"wait_seconds": 5})
    assert found.json()["id"] == "a/b"


async def test_an_unknown_field_is_refused_by_its_name(client: httpx.AsyncClient) -> None:
    answer = problem(await client.post("/tasks/submit", json={"type": "custom", "prioritty": "high"}), 422)
    assert answer["field"] == "prioritty"
    assert "leave it out" in answer["remedy"]
