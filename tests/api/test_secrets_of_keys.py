"""Secrets over REST: a key brings about the use of those that it may use, and of no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from tests.api.support import LOCAL, calling, echoing, problem
from tests.api.test_keys import bearer, made

CRM = {"$secret": "CRM"}
SUBMITTED: list[tuple[str, dict[str, Any], str]] = [
    (
        "/tasks/submit",
        {"type": "custom", "payload": {"headers": {"Authorization": CRM}}},
        "payload.headers.Authorization",
    ),
    ("/tasks/execute", {"type": "custom", "payload": {"list": [1, CRM]}}, "payload.list.1"),
    ("/tools/execute", {"tool_name": "hash_text", "tool_input": {"text": CRM}}, "payload.tool_input.text"),
    (
        "/tasks/submit",
        {"type": "parallel_batch", "payload": {"tasks": [{"type": "custom", "payload": {"x": CRM}}]}},
        "payload.tasks.0.payload.x",
    ),
    (
        "/tasks/submit",
        {
            "type": "parallel_batch",
            "payload": {"tasks": [{"type": "custom", "webhook": {"url": "https://example.com", "secret": CRM}}]},
        },
        "payload.tasks.0.webhook.secret",
    ),
    (
        "/batches",
        {"tasks": [{"type": "custom"}, {"type": "custom", "payload": {"x": CRM}}]},
        "tasks.1.payload.x",
    ),
    (
        "/batches",
        {
            "tasks": [
                {
                    "type": "parallel_batch",
                    "payload": {
                        "tasks": [
                            {
                                "type": "parallel_batch",
                                "payload": {"tasks": [{"type": "custom", "payload": {"x": CRM}}]},
                            }
                        ]
                    },
                }
            ]
        },
        "tasks.0.payload.tasks.0.payload.tasks.0.payload.x",
    ),
]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_SECRET_CRM", "correct-horse")


async def test_what_names_a_secret_that_the_key_may_not_use_is_not_accepted(client: httpx.AsyncClient) -> None:
    none, other = await made(client), await made(client, secrets=["BILLING"])
    for path, body, field in SUBMITTED:
        for key in (none, other):
            refused = problem(await client.post(path, json=body, headers=bearer(key["key"])), 403)
            assert refused["field"] == field
            assert refused["detail"] == "the key may not use the secret 'CRM'."
            assert "vera keys create NAME --secret CRM" in refused["remedy"]
    assert (await client.get("/tasks/history")).json()["tasks"] == []


async def test_a_key_that_may_use_it_and_a_caller_that_needs_no_key_are_let_through(client: httpx.AsyncClient) -> None:
    one, every = await made(client, secrets=["crm"]), await made(client, secrets=["*"])
    for headers in (bearer(one["key"]), bearer(every["key"]), {}):
        body = {"type": "custom", "payload": {"password": CRM}}
        answer = await client.post("/tasks/execute", json=body, headers=headers)
        assert answer.json()["success"], answer.text
        assert answer.json()["data"] == {"password": "***"}


async def test_openais_clients_are_told_in_their_words(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path))
    tool = {"type": "function", "function": {"name": "look", "parameters": {"x": CRM}}}
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    async with app.router.lifespan_context(app), calling(app) as client:
        headers = bearer((await made(client))["key"])
        answer = await client.post(f"{LOCAL}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("permission_error", "not_allowed")
    assert error["param"] == "tools.0.function.parameters.x"


async def test_whoever_has_a_task_run_again_may_use_its_secrets_too(client: httpx.AsyncClient) -> None:
    owner = await made(client, secrets=["CRM"])
    manager = await made(client, scopes=["submit", "manage"])
    trusted = await made(client, scopes=["submit", "manage"], secrets=["CRM"])
    task = {"id": "t", "type": "custom", "payload": {"x": CRM, "fail": True}}
    await client.post("/tasks/execute", json=task, headers=bearer(owner["key"]))
    await client.post("/batches", json={"batch_id": "b", "tasks": [{**task, "id": "u"}]}, headers=bearer(owner["key"]))
    await client.get("/batches/b", params={"wait_seconds": 10})

    for path, field in (("/tasks/t/retry", "payload.x"), ("/batches/b/retry", "tasks.0.payload.x")):
        refused = problem(await client.post(path, headers=bearer(manager["key"])), 403)
        assert refused["field"] == field
        assert (await client.post(path, headers=bearer(trusted["key"]))).status_code == 200
    await client.get("/tasks/t", params={"wait_seconds": 10})

    await client.delete(f"/keys/{owner['key_id']}")
    refused = problem(await client.post("/tasks/t/retry"), 403)
    assert "Submit it again with a key that has not ended" in refused["remedy"]
