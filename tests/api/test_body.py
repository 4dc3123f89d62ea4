"""The limit on bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.routes import register_routes
from tests.api.support import JSON_HEADERS, echoing, problem, served

LIMIT = 2_000
EMPTY = b'{"type":"custom","payload":{"text":""}}'


def body_of(size: int) -> bytes:
    """Return a task request with this many bytes."""
    return EMPTY.replace(b'""', b'"' + b"x" * (size - len(EMPTY)) + b'"')


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served(echoing(tmp_path, max_body_bytes=LIMIT)) as client:
        yield client


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_up_to_the_limit_is_taken_and_one_above_it_is_refused(
    client: httpx.AsyncClient, chunked: bool
) -> None:
    async def send(size: int) -> httpx.Response:
        body = body_of(size)
        content = in_pieces(body) if chunked else body
        return await client.post("/tasks/submit", content=content, headers=JSON_HEADERS)

    assert (await send(LIMIT)).status_code == 200
    answer = problem(await send(LIMIT + 1), 413)
    assert answer["field"] == "body"
    assert "VERA_MAX_BODY_BYTES" in answer["remedy"]


async def test_a_body_above_the_limit_that_comes_at_once_is_answered(tmp_path: Path) -> None:
    app = FastAPI()
    register_routes(app, prefix="", orchestrator=echoing(tmp_path, max_body_bytes=LIMIT))
    messages = [{"type": "http.request", "body": body_of(LIMIT + 1), "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()  # the client waits for its answer

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": "/tasks/submit", "raw_path": b"/tasks/submit", "query_string": b"", "root_path": ""},
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}},
    }
    async with asyncio.timeout(20), app.router.lifespan_context(app):
        await app(scope, receive, send)

    assert sent[0]["status"] == 413


async def test_a_body_that_declares_too_much_is_refused_unread(client: httpx.AsyncClient) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {**JSON_HEADERS, "Content-Length": str(LIMIT + 1)}
    problem(await client.post("/tasks/submit", content=unread(), headers=headers), 413)
