"""Keys over REST, and the audit of what managers do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from api import register_routes
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import calling, problem


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def made(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/keys", json={"name": "nightly", **body})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_key_is_shown_once_and_listed_without_its_secret(client: httpx.AsyncClient) -> None:
    limits = {"quota_requests_per_day": 5, "quota_tokens_per_day": 6, "quota_cost_limit_per_day": 0.5}
    one = await made(client, scopes=["read"], rate_limit_per_minute=30, weight=2, expires_in_days=1, **limits)
    other = await made(client)

    listed = (await client.get("/keys")).json()

    key = one.pop("key")
    assert listed["count"] == 2
    assert listed["keys"][1] == one
    assert one["key_id"] in key
    assert key.rpartition("_")[2] not in str(listed)
    assert {name: one[name] for name in limits} == limits
    assert (one["status"], one["scopes"], one["weight"]) == ("active", ["read"], 2)
    assert timedelta(hours=23) < datetime.fromisoformat(one["expires_at"]) - datetime.now(UTC) < timedelta(hours=25)
    assert (other["scopes"], other["expires_at"], other["quota_tokens_per_day"]) == (["read", "submit"], None, None)


async def test_a_key_says_which_secrets_its_tasks_may_use(client: httpx.AsyncClient) -> None:
    for given, shown in ((None, []), (["CRM", "BILLING"], ["BILLING", "CRM"]), (["*"], ["*"]), ("*", ["*"])):
        one = await made(client, **({} if given is None else {"secrets": given}))
        assert one["secrets"] == shown
        assert (await client.get("/keys")).json()["keys"][0]["secrets"] == shown


async def test_a_revoked_key_opens_nothing_from_then_on(client: httpx.AsyncClient) -> None:
    one = await made(client, scopes=["read"])
    assert (await client.get("/status", headers=bearer(one["key"]))).status_code == 200

    revoked = (await client.delete(f"/keys/{one['key_id']}")).json()

    assert revoked["status"] == "revoked"
    problem(await client.get("/status", headers=bearer(one["key"])), 401)
    assert (await client.delete(f"/keys/{one['key_id']}")).json() == revoked
    problem(await client.delete("/keys/none"), 404)


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({}, 422, "name"),
    ({"name": " "}, 400, "name"),
    ({"name": "a", "scopes": []}, 422, "scopes"),
    ({"name": "a", "scopes": ["all"]}, 422, "scopes.0"),
    ({"name": "a", "weight": 0}, 422, "weight"),
    ({"name": "a", "weights": 1}, 422, "weights"),
    ({"name": "a", "secrets": ["two words"]}, 422, "secrets.0"),
    ({"name": "a", "secrets": "CRM"}, 422, "secrets"),
    ({"name": "a", "secrets": ["s"] * 101}, 422, "secrets"),
    ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at"),
    ({"name": "a", "expires_at": "2999-01-01T00:00:00"}, 400, "expires_at"),
    ({"name": "a", "expires_at": "9999-12-31T23:59:59.999999-23:59"}, 400, "expires_at"),
    ({"name": "a", "expires_at": "0001-01-01T00:00:00+23:59"}, 400, "expires_at"),
    ({"name": "a", "expires_in_days": 1e9}, 422, "expires_in_days"),
    ({"name": "a", "quota_cost_limit_per_day": 1e300}, 400, "cost_limit_per_day"),
    ({"name": "nul\0"}, 400, "name"),
    ({"name": "a", "expires_at": "2999-01-01T00:00:00Z", "expires_in_days": 1}, 400, "expires_at"),
    ({"name": "a", "rate_limit_per_minute": 0}, 422, "rate_limit_per_minute"),
    ({"name": "a", "quota_tokens_per_day": -1}, 422, "quota_tokens_per_day"),
]


async def test_what_no_key_can_be_is_refused(client: httpx.AsyncClient) -> None:
    for body, status, field in REFUSED:
        assert problem(await client.post("/keys", json=body), status)["field"] == field
    assert (await client.get("/keys")).json()["count"] == 0


async def test_nothing_tells_a_wrong_key_from_one_that_has_ended(
    orchestrator: UnifiedOrchestrator, client: httpx.AsyncClient
) -> None:
    right, revoked = await made(client), await made(client)
    expired = await made(client, expires_at=(datetime.now(UTC) + timedelta(seconds=0.05)).isoformat())
    await client.delete(f"/keys/{revoked['key_id']}")
    while (await orchestrator.keys.authenticate(expired["key"].encode())) is not None:
        pass
    unknown = right["key"].replace(right["key_id"], "0" * 12)
    wrong = right["key"][:-1] + ("0" if right["key"][-1] != "0" else "1")
    app = FastAPI()
    register_routes(app, orchestrator=orchestrator)
    for peer in ("10.0.0.1", "127.0.0.1"):
        async with calling(app, peer=peer) as caller:
            answers = [
                await caller.post("/tasks/submit", headers=bearer(key))
                for key in (revoked["key"], expired["key"], wrong, unknown)
            ]
        assert {(answer.status_code, answer.content, str(answer.headers)) for answer in answers} == {
            (401, answers[0].content, str(answers[0].headers))
        }


async def test_the_rate_of_a_key_is_kept_whatever_it_submits(client: httpx.AsyncClient) -> None:
    headers = bearer((await made(client, rate_limit_per_minute=5))["key"])
    task = {"type": "custom", "tags": ["a"]}
    inner = {"type": "parallel_batch", "payload": {"tasks": [task]}}
    assert (await client.post("/tasks/submit", json=task, headers=headers)).status_code == 200
    assert (await client.post("/tasks/execute", json=task, headers=headers)).status_code == 200
    assert (await client.post("/tasks/submit", json=inner, headers=headers)).status_code == 200

    late = await client.post("/batches", json={"tasks": [task, task]}, headers=headers)

    assert "used up" in problem(late, 429)["detail"]
    assert 55 <= int(late.headers["retry-after"]) <= 61
    assert (await client.post("/tasks/submit", json=task, headers=headers)).status_code == 200
    problem(await client.post("/tasks/submit", json=task, headers=headers), 429)
    problem(await client.post("/batches", json={"tasks": [task] * 6}, headers=headers), 422)
    assert (await client.post("/tasks/submit", json=task)).status_code == 200


async def test_what_managers_do_is_in_the_audit_and_what_others_read_is_not(client: httpx.AsyncClient) -> None:
    manager, reader = await made(client, scopes=["manage"]), await made(client, scopes=["read"])
    node = {"remote_url": "http://127.0.0.1:9", "worker_id": "node"}
    await client.get("/keys", headers=bearer(manager["key"]))
    await client.post("/tasks/submit", json={"type": "custom"})
    await client.post("/workers/remote/register", json=node, headers=bearer(manager["key"]))
    await client.post("/workers/none/drain", headers=bearer(manager["key"]))
    await client.delete(f"/keys/{reader['key_id']}", headers=bearer(reader["key"]))
    await client.post("/keys", json={}, headers=bearer("vera_0_x"))
    await client.delete(f"/keys/{reader['key_id']}", headers=bearer(manager["key"]))

    page = (await client.get("/audit", params={"limit": 4})).json()
    rest = (await client.get("/audit", params={"limit": 4, "cursor": page["next_cursor"]})).json()

    told = [(one["action"], one["caller"], one["target"], one["status"]) for one in page["entries"] + rest["entries"]]
    assert told == [
        ("revoke_key", manager["key_id"], reader["key_id"], 200),
        ("revoke_key", reader["key_id"], reader["key_id"], 403),
        ("drain", manager["key_id"], "none", 404),
        ("register_remote", manager["key_id"], "node", 502),
        ("create_key", None, reader["key_id"], 200),
        ("create_key", None, manager["key_id"], 200),
    ]
    assert rest["next_cursor"] is None
    assert problem(await client.get("/audit", params={"cursor": "x"}), 422)["field"] == "cursor"
