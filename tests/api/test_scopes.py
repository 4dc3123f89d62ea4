"""Which scope opens which endpoint: one table, every cell of it tried."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from api import PREFIX
from api.app import create_app
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.routes import Endpoint, endpoints
from tests.api.support import opened
from vera_orchestrator.callers import Scope

SUBMIT, READ, MANAGE = Scope.SUBMIT, Scope.READ, Scope.MANAGE
ANYBODY = frozenset[Scope]()
"""Whoever has a valid key."""
OPEN = None
"""Without any key: there is nothing of anybody's in it."""

TABLE: Mapping[Endpoint, frozenset[Scope] | None] = {
    ("GET", "/health"): ANYBODY,
    ("GET", "/status"): frozenset({READ, MANAGE}),
    ("GET", "/resources/stats"): frozenset({READ, MANAGE}),
    ("WS", "/ws/status"): frozenset({READ, MANAGE}),
    ("POST", "/tasks/submit"): frozenset({SUBMIT}),
    ("POST", "/tasks/execute"): frozenset({SUBMIT}),
    ("GET", "/tasks/history"): frozenset({READ, MANAGE}),
    ("GET", "/tasks/{task_id}"): frozenset({READ, MANAGE}),
    ("GET", "/tasks/{task_id}/events"): frozenset({READ, MANAGE}),
    ("POST", "/tasks/{task_id}/cancel"): frozenset({SUBMIT}),
    ("POST", "/tasks/{task_id}/retry"): frozenset({SUBMIT}),
    ("POST", "/llm/request"): frozenset({SUBMIT}),
    ("POST", "/tools/execute"): frozenset({SUBMIT}),
    ("GET", "/tools"): frozenset({READ, MANAGE}),
    ("GET", "/models"): frozenset({READ, MANAGE}),
    ("POST", "/batches"): frozenset({SUBMIT}),
    ("GET", "/batches"): frozenset({READ, MANAGE}),
    ("GET", "/batches/{batch_id}"): frozenset({READ, MANAGE}),
    ("POST", "/batches/{batch_id}/cancel"): frozenset({SUBMIT}),
    ("POST", "/batches/{batch_id}/retry"): frozenset({SUBMIT}),
    ("GET", "/workers/list"): frozenset({READ, MANAGE}),
    ("POST", "/workers/llm-api/register"): frozenset({MANAGE}),
    ("POST", "/workers/remote/register"): frozenset({MANAGE}),
    ("POST", "/workers/{worker_id}/drain"): frozenset({MANAGE}),
    ("POST", "/workers/{worker_id}/resume"): frozenset({MANAGE}),
    ("DELETE", "/workers/{worker_id}"): frozenset({MANAGE}),
    ("GET", "/spend"): frozenset({READ, MANAGE}),
    ("GET", "/limits"): frozenset({READ, MANAGE}),
    ("GET", "/keys"): frozenset({MANAGE}),
    ("POST", "/keys"): frozenset({MANAGE}),
    ("DELETE", "/keys/{key_id}"): frozenset({MANAGE}),
    ("GET", "/audit"): frozenset({MANAGE}),
    ("POST", "/v1/chat/completions"): frozenset({SUBMIT}),
    ("POST", "/v1/embeddings"): frozenset({SUBMIT}),
    ("POST", "/v1/responses"): frozenset({SUBMIT}),
    ("GET", "/v1/models"): ANYBODY,
    ("GET", "/v1/models/{model}"): ANYBODY,
    ("GET", "/metrics"): frozenset({READ, MANAGE}),
    ("GET", "/"): OPEN,
    ("GET", "/dashboard/{path}"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/openapi.json"): OPEN,
}


@dataclass(frozen=True)
class Door:
    """An app that is called from elsewhere, with a key for each set of scopes."""

    app: FastAPI
    client: httpx.AsyncClient
    keys: Mapping[frozenset[Scope], str]

    async def status(self, endpoint: Endpoint, key: str | None) -> int:
        """Return the status that an endpoint answers with; nothing that could be done is asked for."""
        method, path = endpoint
        url = re.sub(r"\{\w+(:\w+)?\}", "none", path)
        if method == "WS":
            return await opened(self.app, url, key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return (await self.client.request(method, url, headers=headers)).status_code


@pytest.fixture
async def door(orchestrator: UnifiedOrchestrator) -> AsyncIterator[Door]:
    app = create_app(orchestrator)
    transport = httpx.ASGITransport(app, client=("10.0.0.1", 50_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://10.0.0.2:8000") as client,
    ):
        sets = [frozenset({scope}) for scope in Scope]
        made = {scopes: (await orchestrator.keys.create("a", scopes=scopes)).key for scopes in sets}
        yield Door(app, client, made)


def plain(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint as the table has it."""
    method, path = endpoint
    return method, re.sub(r":\w+\}", "}", path.removeprefix(PREFIX))


def test_the_table_has_every_endpoint() -> None:
    assert {plain(endpoint) for endpoint in endpoints(create_app())} <= TABLE.keys()


async def test_every_cell_is_as_the_table_says(door: Door) -> None:
    wrong: list[str] = []
    for endpoint in endpoints(door.app):
        scopes = TABLE[plain(endpoint)]
        none, *found = await asyncio.gather(*(door.status(endpoint, key) for key in (None, *door.keys.values())))
        if (none == 401) is (scopes is OPEN):
            wrong.append(f"{endpoint} without a key: {none}")
        for has, status in zip(door.keys, found, strict=True):
            may = not scopes or bool(scopes & has)
            if (status in (401, 403)) is may or (not may and status != 403):
                wrong.append(f"{endpoint} with {set(has)}: {status}")
    assert wrong == []
