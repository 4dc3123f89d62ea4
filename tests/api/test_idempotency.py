"""Requests that come twice."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.support import EchoWorker, problem

KEY = {"Idempotency-Key": "once"}
TASK = {"type": "custom", "payload": {"n": 1}}


async def count(client: httpx.AsyncClient) -> int:
    return (await client.get("/tasks/history")).json()["count"]


@pytest.mark.parametrize("path", ["/tasks/submit", "/tasks/execute"])
async def test_a_task_that_comes_twice_with_one_key_runs_once(client: httpx.AsyncClient, path: str) -> None:
    first = await client.post(path, json=TASK, headers=KEY)
    second = await client.post(path, json={**TASK, "idempotency_key": "once"})
    assert first.json()["task_id"] == second.json()["task_id"]
    assert await count(client) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/llm/request", {"prompt": "Hello", "wait_seconds": 0}),
        ("/tools/execute", {"tool_name": "get_time", "wait_seconds": 0}),
    ],
)
async def test_so_does_a_prompt_and_a_call(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    first = await client.post(path, json=body, headers=KEY)
    second = await client.post(path, json=body, headers=KEY)
    assert first.json()["task_id"] == second.json()["task_id"]
    assert await count(client) == 1


async def test_a_key_with_another_task_is_a_conflict(client: httpx.AsyncClient) -> None:
    await client.post("/tasks/submit", json=TASK, headers=KEY)
    problem(await client.post("/tasks/submit", json={**TASK, "payload": {"n": 2}}, headers=KEY), 409)


async def test_header_and_field_must_not_differ(client: httpx.AsyncClient) -> None:
    answer = await client.post("/tasks/submit", json={**TASK, "idempotency_key": "other"}, headers=KEY)
    assert problem(answer, 400)["field"] == "Idempotency-Key"


@pytest.mark.parametrize("more", [{}, {"batch_id": "B"}])
async def test_a_batch_that_comes_twice_with_one_key_runs_once(
    client: httpx.AsyncClient, echo: EchoWorker, more: dict[str, Any]
) -> None:
    body = {"tasks": [{"type": "custom", "payload": {"wait": True}}, {"type": "custom"}], **more}

    first = (await client.post("/batches", json=body, headers=KEY)).json()
    again = (await client.post("/batches", json=body, headers=KEY)).json()
    echo.gate.set()
    await client.get(f"/batches/{first['batch_id']}", params={"wait_seconds": 5})
    later = (await client.post("/batches", json=body, headers=KEY)).json()

    for answer in (again, later):
        assert (answer["batch_id"], answer["task_ids"]) == (first["batch_id"], first["task_ids"])
    assert await count(client) == 2
    problem(await client.post("/batches", json={**body, "fail_fast": True}, headers=KEY), 409)
