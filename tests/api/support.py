"""Apps, callers and workers for the tests of the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api import PREFIX, register_routes
from BackgroundCognition.orchestrator import (
    BaseWorker,
    OrchestratorConfig,
    Task,
    TaskResult,
    UnifiedOrchestrator,
    WorkerCapability,
    WorkerConfig,
    WorkerStatus,
)
from tests.http.server import free_port

LOCAL = "http://127.0.0.1:8000"
JSON_HEADERS = {"Content-Type": "application/json"}


class EchoWorker(BaseWorker):
    """Returns a task's payload; fails where the payload says so; waits for `gate` where it says `wait`."""

    def __init__(self) -> None:
        super().__init__("echo", [WorkerCapability.CUSTOM], WorkerConfig(max_concurrent_tasks=100))
        self.gate = asyncio.Event()

    async def start(self) -> bool:
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        return True

    async def health_check(self) -> bool:
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        if task.payload.get("wait"):
            await self.gate.wait()
        if task.payload.get("fail"):
            return TaskResult(success=False, error="as was asked", retryable=False)
        return TaskResult(success=True, data=task.payload)


def settings(home: Path, **more: Any) -> OrchestratorConfig:
    """Return settings of an orchestrator that has neither Prefect nor Ollama."""
    ollama_url = f"http://127.0.0.1:{free_port()}"
    quick = {"drain_seconds": 1, "freeze_garbage": False, **more}
    return OrchestratorConfig(home=home / "vera", prefect="off", ollama_url=ollama_url, **quick)


def echoing(home: Path, **more: Any) -> UnifiedOrchestrator:
    """Return an orchestrator with an EchoWorker."""
    orchestrator = UnifiedOrchestrator(settings(home, **more))
    orchestrator.worker_registry.add(EchoWorker())
    return orchestrator


@asynccontextmanager
async def calling(app: FastAPI, *, peer: str = "127.0.0.1", base_url: str = LOCAL) -> AsyncGenerator[httpx.AsyncClient]:
    """Give a caller of the API; the app's lifespan is the caller's business."""
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=base_url + PREFIX) as client:
        yield client


@asynccontextmanager
async def served(orchestrator: UnifiedOrchestrator) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve an orchestrator in an app of somebody else's while the block lasts, and give a local caller."""
    app = FastAPI()
    register_routes(app, orchestrator=orchestrator)
    async with app.router.lifespan_context(app), calling(app) as client:
        yield client


async def opened(
    app: FastAPI, path: str, key: str | None = None, *, peer: str = "10.0.0.1", headers: Sequence[tuple[str, str]] = ()
) -> int:
    """Return 101 if a WebSocket opens, which is closed again, else the status of the refusal."""
    given = [*headers, *([("authorization", f"Bearer {key}")] if key else [])]
    names = {name.lower() for name, _ in given}
    sent = [*([] if "host" in names else [("host", "10.0.0.2:8000")]), *given]
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent],
        "client": (peer, 50_000),
        "server": ("10.0.0.2", 8_000),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    answers: asyncio.Queue[int] = asyncio.Queue()
    coming = asyncio.Queue[dict[str, Any]]()
    coming.put_nowait({"type": "websocket.connect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            answers.put_nowait(101)
            coming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        elif message["type"] == "websocket.http.response.start":
            answers.put_nowait(message["status"])

    await app(scope, coming.get, send)
    return answers.get_nowait()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem that an answer must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = json.loads(response.content)
    assert set(body) == {"type", "title", "status", "detail", "field", "remedy"}
    assert body["status"] == status
    assert body["detail"]
    return body
