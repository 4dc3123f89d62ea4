"""What the history lists: filters, pages, and short forms."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.support import EchoWorker, problem


async def run(client: httpx.AsyncClient, task_id: str, **fields: Any) -> dict[str, Any]:
    response = await client.post("/tasks/execute", json={"type": "custom", "id": task_id, **fields})
    assert response.status_code == 200, response.text
    return (await client.get(f"/tasks/{task_id}")).json()


async def listed(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    response = await client.get("/tasks/history", params=asked)
    assert response.status_code == 200, response.text
    return [task["id"] for task in response.json()["tasks"]]


async def test_tasks_are_found_by_what_they_are(client: httpx.AsyncClient) -> None:
    a = await run(client, "a", tags=["x"])
    b = await run(client, "b", tags=["x", "y"], payload={"fail": True})
    await client.post("/tasks/execute", json={"type": "remote_compute", "id": "c"})

    assert await listed(client, tag="x") == ["b", "a"]
    assert await listed(client, tag="x", status="failed") == ["b"]
    assert await listed(client, type="remote_compute") == ["c"]
    assert await listed(client, worker_id="echo") == ["b", "a"]
    assert await listed(client, until=b["submitted_at"]) == ["a"]
    assert await listed(client, since=b["submitted_at"]) == ["c", "b"]
    assert await listed(client, since=a["submitted_at"].replace("+00:00", "Z"), tag="y") == ["b"]
    assert await listed(client, caller="nobody") == await listed(client, batch_id="none") == []


async def test_tasks_of_a_batch_are_found(client: httpx.AsyncClient) -> None:
    await run(client, "a")
    await client.post("/batches", json={"tasks": [{"type": "custom", "id": "b"}], "batch_id": "B"})
    assert await listed(client, batch_id="B") == ["b"]


async def test_a_cursor_goes_on_where_a_page_ends(client: httpx.AsyncClient) -> None:
    for task_id in ("a", "b", "c"):
        await run(client, task_id)
    first = (await client.get("/tasks/history", params={"limit": 2})).json()
    second = (await client.get("/tasks/history", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [task["id"] for task in (*first["tasks"], *second["tasks"])] == ["c", "b", "a"]
    assert (first["count"], second["count"], second["next_cursor"]) == (2, 1, None)
    assert (await client.get("/tasks/history", params={"limit": 3})).json()["next_cursor"] is None


async def test_what_waits_with_a_status_of_the_living_comes_in_pages_too(
    client: httpx.AsyncClient, echo: EchoWorker
) -> None:
    await client.post("/workers/echo/drain")
    for task_id in ("a", "b"):
        await client.post("/tasks/submit", json={"type": "custom", "id": task_id, "tags": [task_id]})
    await client.get("/health")

    first = (await client.get("/tasks/history", params={"status": "waiting_resources", "limit": 1})).json()
    assert [task["id"] for task in first["tasks"]] == ["b"]
    assert await listed(client, status="waiting_resources", cursor=first["next_cursor"]) == ["a"]
    assert await listed(client, status="waiting_resources", tag="a") == ["a"]
    await client.post("/workers/echo/resume")


async def test_a_short_form_has_neither_payload_nor_data(client: httpx.AsyncClient) -> None:
    await run(client, "a", payload={"n": 1})
    (task,) = (await client.get("/tasks/history", params={"brief": True})).json()["tasks"]
    assert "payload" not in task
    assert set(task["result"]) >= {"success", "error", "metrics", "worker_id"}
    assert "data" not in task["result"]


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"status": "odd"}, 400, "status"),
        ({"type": "odd"}, 400, "type"),
        ({"since": "1066-10-14"}, 400, "since"),
        ({"since": "yesterday"}, 422, "since"),
        ({"cursor": "abc"}, 422, "cursor"),
        ({"limit": 0}, 422, "limit"),
    ],
)
async def test_what_does_not_fit_is_refused(
    client: httpx.AsyncClient, asked: dict[str, Any], status: int, field: str
) -> None:
    assert problem(await client.get("/tasks/history", params=asked), status)["field"] == field
