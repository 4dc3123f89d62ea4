"""What a caller cannot see or stop: everything of another's, unless it manages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import register_routes
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import EchoWorker, calling, problem
from vera_orchestrator.callers import Scope

MINE = {"type": "custom", "id": "mine", "tags": ["t"], "idempotency_key": "same"}
USUAL = (Scope.SUBMIT, Scope.READ)


class Team:
    """Callers of one orchestrator, each with a key."""

    def __init__(self, client: httpx.AsyncClient, keys: Mapping[str, str]) -> None:
        self._client = client
        self._keys = keys

    async def get(self, who: str, path: str, **query: Any) -> httpx.Response:
        return await self._client.get(path, params=query, headers=self._headers(who))

    async def post(self, who: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._client.post(path, json=body, headers={**self._headers(who), **headers})

    async def json(self, who: str, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.get(who, path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[who]}"}


@pytest.fixture
async def team(orchestrator: UnifiedOrchestrator) -> AsyncIterator[Team]:
    app = FastAPI()
    register_routes(app, orchestrator=orchestrator)
    async with app.router.lifespan_context(app), calling(app, peer="10.0.0.1") as client:
        given = {"me": USUAL, "you": USUAL, "boss": (*USUAL, Scope.MANAGE)}
        keys = {name: (await orchestrator.keys.create(name, scopes=scopes)).key for name, scopes in given.items()}
        yield Team(client, keys)


async def test_a_task_of_another_is_not_found(team: Team, echo: EchoWorker) -> None:
    waiting = {**MINE, "payload": {"wait": True, "code": "s3cret"}}
    assert (await team.post("me", "/tasks/submit", waiting)).status_code == 200
    for answer in (
        await team.get("you", "/tasks/mine"),
        await team.get("you", "/tasks/mine", wait_seconds=1),
        await team.get("you", "/tasks/mine/events"),
        await team.post("you", "/tasks/mine/cancel"),
        await team.post("you", "/tasks/mine/retry"),
    ):
        assert "s3cret" not in answer.text
        unknown = problem(answer, 404)
        assert unknown["detail"] == "no task 'mine'."
    depending = await team.post("you", "/tasks/submit", {"type": "custom", "id": "x", "depends_on": ["mine"]})
    none = await team.post("you", "/tasks/submit", {"type": "custom", "id": "x", "depends_on": ["none"]})
    assert problem(depending, 422)["detail"].replace("mine", "none") == problem(none, 422)["detail"]

    assert (await team.json("me", "/tasks/mine"))["status"] in ("queued", "running")
    assert (await team.json("boss", "/tasks/mine"))["id"] == "mine"
    echo.gate.set()


async def test_a_batch_of_another_is_not_found(team: Team, echo: EchoWorker) -> None:
    body = {"batch_id": "ours", "tasks": [{"type": "custom", "payload": {"wait": True}}]}
    assert (await team.post("me", "/batches", body)).status_code == 200
    for answer in (
        await team.get("you", "/batches/ours"),
        await team.get("you", "/batches/ours", wait_seconds=1),
        await team.post("you", "/batches/ours/cancel"),
        await team.post("you", "/batches/ours/retry"),
    ):
        problem(answer, 404)
    assert (await team.json("you", "/batches"))["batches"] == []
    assert [one["batch_id"] for one in (await team.json("boss", "/batches"))["batches"]] == ["ours"]
    echo.gate.set()


async def test_lists_hold_only_what_is_ones_own(team: Team) -> None:
    assert (await team.post("me", "/tasks/execute", MINE)).json()["success"]
    queries: list[dict[str, Any]] = [
        {},
        {"tag": "t"},
        {"status": "completed"},
        {"status": "rate_limited"},
        {"type": "custom", "worker_id": "echo"},
        {"caller": (await team.json("me", "/tasks/history"))["tasks"][0]["caller"]},
    ]
    for query in queries:
        assert (await team.json("you", "/tasks/history", **query))["tasks"] == []
    assert (await team.json("boss", "/tasks/history"))["count"] == 1
    assert (await team.json("you", "/spend", by="caller,tag"))["rows"] == []


async def test_the_same_idempotency_key_is_another_one_for_each(team: Team) -> None:
    for path, body in [("/tasks/submit", {"type": "custom"}), ("/tasks/execute", {"type": "custom"})]:
        mine, again, yours = [
            (await team.post(who, path, body, **{"Idempotency-Key": path})).json()["task_id"]
            for who in ("me", "me", "you")
        ]
        assert mine == again != yours
    inner = {"type": "custom", "idempotency_key": "in"}
    outer = {"type": "parallel_batch", "payload": {"tasks": [inner]}}
    for who in ("me", "you"):
        assert (await team.post(who, "/tasks/execute", outer)).json()["success"]


async def test_a_manager_who_stops_the_work_of_another_is_in_the_audit(team: Team, echo: EchoWorker) -> None:
    body = {"batch_id": "ours", "tasks": [{"type": "custom", "id": "mine", "payload": {"wait": True}}]}
    await team.post("me", "/batches", body)
    await team.post("boss", "/tasks/submit", {"type": "custom", "id": "own", "payload": {"wait": True}})
    for who, path in [
        ("boss", "/tasks/own/cancel"),
        ("boss", "/tasks/mine/cancel"),
        ("me", "/tasks/mine/cancel"),
        ("boss", "/batches/ours/retry"),
    ]:
        assert (await team.post(who, path)).status_code == 200
    entries = (await team.json("boss", "/audit"))["entries"]
    assert [(one["action"], one["target"]) for one in entries] == [("retry_batch", "ours"), ("cancel_task", "mine")]
    echo.gate.set()


async def test_a_repeated_request_is_answered_with_ones_own_task_whoever_has_its_id_by_now(
    team: Team, echo: EchoWorker
) -> None:
    request = {"type": "custom", "id": "job", "idempotency_key": "k", "payload": {"n": 1}}
    first = (await team.post("me", "/tasks/execute", request)).json()
    await team.post("you", "/tasks/execute", {"type": "custom", "id": "job", "payload": {"code": "s3cret"}})
    assert (await team.post("me", "/tasks/execute", request)).json() == first
    assert [(await team.json(who, "/tasks/job"))["payload"] for who in ("me", "you", "boss")] == [
        {"n": 1},
        {"code": "s3cret"},
        {"code": "s3cret"},
    ]

    await team.post("you", "/tasks/submit", {"type": "custom", "id": "job", "payload": {"wait": True}})
    assert (await team.post("me", "/tasks/execute", request)).json() == first
    assert (await team.json("me", "/tasks/job"))["status"] == "completed"
    for action in ("cancel", "retry"):
        problem(await team.post("me", f"/tasks/job/{action}"), 404)
    echo.gate.set()
