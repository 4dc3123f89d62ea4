"""Reading, waiting for, cancelling and retrying one task."""

from __future__ import annotations

import asyncio

import httpx

from BackgroundCognition.orchestrator import TaskStatus, UnifiedOrchestrator
from tests.api.support import EchoWorker, problem


async def submitted(client: httpx.AsyncClient, **fields: object) -> str:
    response = await client.post("/tasks/submit", json={"type": "custom", **fields})
    assert response.status_code == 200, response.text
    return response.json()["task_id"]


async def test_a_task_is_read_with_its_attempts_and_its_routing(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    task_id = await submitted(client, payload={"n": 1}, tags=["a"])
    await orchestrator.wait_for(task_id, 5)

    task = (await client.get(f"/tasks/{task_id}")).json()

    assert (task["id"], task["status"], task["worker_id"], task["error"]) == (task_id, "completed", "echo", None)
    assert task["result"]["data"] == {"n": 1}
    assert task["tags"] == ["a"]
    assert task["routing"] == {"worker": "echo", "considered": {"echo": "usable"}}
    assert [(one["worker_id"], one["state"]) for one in task["attempts"]] == [("echo", "ended")]
    assert task["prefect_url"] is None


async def test_who_waits_is_answered_at_the_end(client: httpx.AsyncClient, echo: EchoWorker) -> None:
    task_id = await submitted(client, payload={"wait": True})
    running = (await client.get(f"/tasks/{task_id}", params={"wait_seconds": 0.01})).json()
    assert (running["status"], running["worker_id"]) == ("running", "echo")

    waiting = asyncio.create_task(client.get(f"/tasks/{task_id}", params={"wait_seconds": 5}))
    echo.gate.set()

    assert (await waiting).json()["status"] == "completed"


async def test_an_id_with_a_slash_can_be_read(client: httpx.AsyncClient) -> None:
    await submitted(client, id="a/b")
    assert (await client.get("/tasks/a%2Fb", params={"wait_seconds": 5})).json()["id"] == "a/b"


async def test_an_unknown_task_is_not_found(client: httpx.AsyncClient) -> None:
    for response in (
        await client.get("/tasks/none"),
        await client.post("/tasks/none/cancel"),
        await client.post("/tasks/none/retry"),
    ):
        assert problem(response, 404)["field"] == "task_id"


async def test_a_running_task_is_cancelled_once(client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator) -> None:
    task_id = await submitted(client, payload={"wait": True})

    first = (await client.post(f"/tasks/{task_id}/cancel")).json()
    result = await orchestrator.wait_for(task_id, 5)
    second = (await client.post(f"/tasks/{task_id}/cancel")).json()

    assert (first["task_id"], first["cancelled"]) == (task_id, True)
    assert not result.success
    assert (second["cancelled"], second["status"]) == (False, "cancelled")


async def test_a_failed_task_can_be_retried_and_no_other(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    failing = await submitted(client, payload={"fail": True})
    fine = await submitted(client)
    for task_id in (failing, fine):
        await orchestrator.wait_for(task_id, 5)

    retried = (await client.post(f"/tasks/{failing}/retry")).json()

    assert (retried["task_id"], retried["status"]) == (failing, "queued")
    await orchestrator.wait_for(failing, 5)
    task = await orchestrator.get_task(failing)
    assert task is not None
    assert task.status is TaskStatus.FAILED
    assert "completed" in problem(await client.post(f"/tasks/{fine}/retry"), 409)["detail"]
