"""Webhooks of tasks and batches that come over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.support import echoing, problem, served
from tests.http.server import Server, serving
from tests.support import PATIENCE, until


@pytest.fixture
def receiver() -> Iterator[Server]:
    with serving() as server:
        server.routes["/hook"] = lambda handler, _: handler.answer(204)
        yield server


@pytest.fixture
async def client(tmp_path: Path, receiver: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with served(echoing(tmp_path, http_allow=[receiver.endpoint])) as client:
        yield client


async def test_the_end_of_a_task_and_of_a_batch_is_told(client: httpx.AsyncClient, receiver: Server) -> None:
    webhook = {"url": f"{receiver.url}/hook"}
    task = await client.post("/tasks/submit", json={"type": "custom", "webhook": webhook})
    assert task.status_code == 200, task.text
    await until(lambda: len(receiver.seen) == 1)
    batch = await client.post("/batches", json={"tasks": [{"type": "custom"}], "webhook": webhook})
    assert batch.status_code == 200, batch.text
    await until(lambda: len(receiver.seen) == 2)
    first, second = (json.loads(seen.body) for seen in receiver.seen)
    assert (first["type"], first["data"]["id"]) == ("task.completed", task.json()["task_id"])
    assert (second["type"], second["data"]["batch_id"]) == ("batch.completed", batch.json()["batch_id"])


async def test_a_task_shows_its_messages_and_not_where_they_go(client: httpx.AsyncClient, receiver: Server) -> None:
    receiver.routes["/hook"] = lambda handler, _: handler.answer(410)
    webhook = {"url": f"{receiver.url}/hook?token=hidden"}
    task_id = (await client.post("/tasks/submit", json={"type": "custom", "webhook": webhook})).json()["task_id"]
    await until(lambda: receiver.seen)

    async def messages() -> list[dict[str, Any]]:
        answer = await client.get(f"/tasks/{task_id}")
        assert "hidden" not in answer.text
        return answer.json()["webhook"]

    async with asyncio.timeout(PATIENCE):
        while not (found := await messages()) or found[0]["attempts"] == 0:
            pass
    (one,) = found
    assert (one["type"], one["attempts"], one["due_at"]) == ("task.completed", 1, None)
    assert one["error"] == "it answered 410"
    assert (await client.get(f"/tasks/{task_id}")).status_code == 200


async def test_a_batch_shows_its_messages_and_not_where_they_go(client: httpx.AsyncClient, receiver: Server) -> None:
    webhook = {"url": f"{receiver.url}/hook?token=hidden"}
    body = {"tasks": [{"type": "custom", "payload": {"fail": True}}], "webhook": webhook, "batch_id": "b"}
    assert (await client.post("/batches", json=body)).status_code == 200

    async def messages(count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await client.get("/batches/b", params={"wait_seconds": PATIENCE})
                assert "hidden" not in answer.text
                found = answer.json()["webhook"]
                if len(found) == count and all(one["attempts"] for one in found):
                    return found

    (one,) = await messages(1)
    assert (one["type"], one["attempts"], one["due_at"], one["error"]) == ("batch.failed", 1, None, None)
    assert one["delivered_at"]
    await client.post("/batches/b/retry")
    assert (await messages(2))[0] == one


async def test_a_batch_that_nobody_is_told_of_has_none(client: httpx.AsyncClient) -> None:
    await client.post("/batches", json={"tasks": [{"type": "custom"}], "batch_id": "b"})
    assert (await client.get("/batches/b")).json()["webhook"] is None


@pytest.mark.parametrize(
    ("webhook", "status", "field"),
    [
        ({"url": "ftp://h/"}, 400, "webhook.url"),
        ({"url": "https://h/", "secret": "short"}, 400, "webhook.secret"),
        ({"secret": "x"}, 422, "webhook.url"),
        ({"url": "https://h/", "method": "PUT"}, 422, "webhook.method"),
    ],
)
async def test_what_does_not_fit_is_named(client: httpx.AsyncClient, webhook: Any, status: int, field: str) -> None:
    for path, body in {"/tasks/submit": {"type": "custom"}, "/batches": {"tasks": [{"type": "custom"}]}}.items():
        answer = await client.post(path, json={**body, "webhook": webhook})
        assert problem(answer, status)["field"] == field


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3:9000", "169.254.169.254", "[::1]:80", "localhost", "LocalHost.:1"]
)
async def test_an_address_that_needs_to_be_allowed_is_refused_at_once(client: httpx.AsyncClient, host: str) -> None:
    webhook = {"url": f"http://{host}/hook?token=hidden"}
    task = {"type": "custom", "webhook": webhook}
    for path, body, field in (
        ("/tasks/submit", task, "webhook.url"),
        ("/batches", {"tasks": [{"type": "custom"}], "webhook": webhook}, "webhook.url"),
        ("/batches", {"tasks": [{"type": "custom"}, task]}, "tasks.1.webhook.url"),
    ):
        answer = await client.post(path, json=body)
        refused = problem(answer, 422)
        assert refused["field"] == field
        assert "http_allow (VERA_HTTP_ALLOW)" in refused["remedy"]
        assert "hidden" not in answer.text
    assert (await client.get("/tasks/history")).json()["tasks"] == []


async def test_a_name_is_looked_up_when_its_message_is_sent(client: httpx.AsyncClient) -> None:
    webhook = {"url": "http://localhost.localdomain.invalid/hook"}
    assert (await client.post("/tasks/submit", json={"type": "custom", "webhook": webhook})).status_code == 200
