"""Submitting, listing, reading, cancelling and retrying batches."""

from __future__ import annotations

from typing import Any

import httpx

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import EchoWorker, problem


def task(task_id: str, payload: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "custom", "id": task_id, "payload": payload or {}, **more}


async def test_a_batch_is_read_with_its_graph(client: httpx.AsyncClient) -> None:
    tasks = [task("a", {"n": 1}), task("b", depends_on=["a"]), task("c", depends_on_any=["a", "b"])]
    answer = (await client.post("/batches", json={"tasks": tasks, "batch_id": "B", "name": "three"})).json()
    assert (answer["batch_id"], answer["task_ids"], answer["status"]) == ("B", ["a", "b", "c"], "submitted")

    batch = (await client.get("/batches/B", params={"wait_seconds": 5})).json()

    assert (batch["status"], batch["name"], batch["counts"]) == ("completed", "three", {"completed": 3})
    assert batch["completed_at"] is not None
    assert [(edge["from"], edge["to"], edge["any"]) for edge in batch["edges"]] == [
        ("a", "b", False),
        ("a", "c", True),
        ("b", "c", True),
    ]
    assert [one["result"]["data"] for one in batch["tasks"]] == [{"n": 1}, {}, {}]
    short = (await client.get("/batches/B", params={"brief": True})).json()
    assert "payload" not in short["tasks"][0]
    assert "data" not in short["tasks"][0]["result"]


async def test_the_order_of_a_sequential_batch_is_its_graph(client: httpx.AsyncClient) -> None:
    await client.post("/batches", json={"tasks": [task("a"), task("b")], "batch_id": "B", "execute_parallel": False})
    batch = (await client.get("/batches/B", params={"wait_seconds": 5})).json()
    assert batch["edges"] == [{"from": "a", "to": "b", "any": True}]


async def test_batches_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.post("/batches", json={"tasks": [task(f"t{number}")], "batch_id": f"B{number}"})
        await client.get(f"/batches/B{number}", params={"wait_seconds": 5})

    first = (await client.get("/batches", params={"limit": 2})).json()
    second = (await client.get("/batches", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [one["batch_id"] for one in first["batches"]] == ["B2", "B1"]
    assert [one["batch_id"] for one in second["batches"]] == ["B0"]
    assert second["next_cursor"] is None
    assert second["batches"][0]["counts"] == {"completed": 1}


async def test_a_batch_is_cancelled_and_retried(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator, echo: EchoWorker
) -> None:
    tasks = [task("a", {"wait": True}), task("b", depends_on=["a"])]
    await client.post("/batches", json={"tasks": tasks, "batch_id": "B"})

    assert (await client.post("/batches/B/cancel")).json()["cancelled"] == 2
    await orchestrator.wait_for_batch("B", 5)
    assert (await client.post("/batches/B/cancel")).json()["cancelled"] == 0
    echo.gate.set()
    assert sorted((await client.post("/batches/B/retry")).json()["task_ids"]) == ["a", "b"]
    assert (await client.get("/batches/B", params={"wait_seconds": 5})).json()["status"] == "completed"


async def test_who_waits_for_a_batch_is_answered_after_a_while(client: httpx.AsyncClient, echo: EchoWorker) -> None:
    await client.post("/batches", json={"tasks": [task("a", {"wait": True})], "batch_id": "B"})
    batch = (await client.get("/batches/B", params={"wait_seconds": 0.01})).json()
    assert (batch["status"], batch["completed_at"]) == ("running", None)
    echo.gate.set()


async def test_what_is_no_graph_is_refused_whole(client: httpx.AsyncClient) -> None:
    circle = [task("a", depends_on=["b"]), task("b", depends_on=["a"])]
    problem(await client.post("/batches", json={"tasks": circle}), 422)
    problem(await client.post("/batches", json={"tasks": [task("a", depends_on=["x"])]}), 422)
    problem(await client.post("/batches", json={"tasks": []}), 422)
    assert (await client.get("/tasks/history")).json()["count"] == 0


async def test_an_unknown_batch_is_not_found(client: httpx.AsyncClient) -> None:
    for response in (
        await client.get("/batches/none"),
        await client.post("/batches/none/cancel"),
        await client.post("/batches/none/retry"),
    ):
        assert problem(response, 404)["field"] == "batch_id"


async def test_a_second_batch_with_the_id_of_one_that_goes_on_is_refused(
    client: httpx.AsyncClient, echo: EchoWorker
) -> None:
    body = {"tasks": [{"type": "custom", "payload": {"wait": True}}], "batch_id": "B"}
    assert (await client.post("/batches", json=body)).status_code == 200
    problem(await client.post("/batches", json=body), 409)
    echo.gate.set()
