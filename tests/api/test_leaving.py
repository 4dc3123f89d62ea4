"""Clients that go away while they wait for a result."""

from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from api import PREFIX, register_routes
from BackgroundCognition.orchestrator import TaskStatus, UnifiedOrchestrator
from tests.api.support import EchoWorker
from vera_orchestrator.runtime.events import TaskEventKind

PATH = f"{PREFIX}/tasks/execute"
SCOPE: Scope = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": PATH,
    "raw_path": PATH.encode(),
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
    "client": ("127.0.0.1", 50_000),
    "server": ("127.0.0.1", 8000),
}


@pytest.mark.parametrize("asks", [True, False])
async def test_a_client_that_goes_away_cancels_only_if_it_asked_to(
    orchestrator: UnifiedOrchestrator, echo: EchoWorker, asks: bool
) -> None:
    app = FastAPI()
    register_routes(app, orchestrator=orchestrator)
    body = {"type": "custom", "id": "t", "payload": {"wait": True}, "cancel_on_disconnect": asks, "wait_seconds": 5}
    messages = [{"type": "http.request", "body": json.dumps(body).encode()}]
    started = asyncio.Event()

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    async with app.router.lifespan_context(app):
        orchestrator.events.subscribe(
            lambda event: started.set() if getattr(event, "kind", None) is TaskEventKind.STARTED else None
        )
        request = asyncio.create_task(app(SCOPE, receive, send))
        await started.wait()
        if not asks:
            echo.gate.set()
        await request
        task = await orchestrator.get_task("t")
    assert task is not None
    assert task.status is (TaskStatus.CANCELLED if asks else TaskStatus.COMPLETED)
