"""What becomes of a task when its provider is in trouble: simulated providers on loopback, and closed ports."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import ollama
import pytest

from tests.http.server import Handler, Seen, Server, free_port, serving
from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import (
    InvalidPayload,
    NotConfigured,
    NotFound,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker

CHAT_PATHS = {
    "openai": "/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
    "ollama": "/api/chat",
}
LIST_PATHS = {"openai": "/models", "anthropic": "/v1/models", "gemini": "/v1beta/models", "ollama": "/api/tags"}
LISTS: dict[str, dict[str, Any]] = {
    "openai": {"data": [{"id": "m"}]},
    "anthropic": {"data": [{"id": "m"}]},
    "gemini": {"models": [{"name": "models/m"}]},
    "ollama": ollama.ListResponse(models=[ollama.ListResponse.Model(model="m")]).model_dump(mode="json"),
}
every_kind = pytest.mark.parametrize("api_type", ["openai", "anthropic", "gemini", "ollama"])
with_key = pytest.mark.parametrize("api_type", ["openai", "anthropic", "gemini"])
AnyWorker = LLMAPIWorker | OllamaWorker


def worker_for(api_type: str, url: str) -> AnyWorker:
    return OllamaWorker(url) if api_type == "ollama" else LLMAPIWorker(api_type, KEY, base_url=url)


def list_models(api_type: str, server: Server) -> None:
    page = LISTS[api_type]
    # the connection ends with the answer, so that a later request needs a new one
    server.routes[LIST_PATHS[api_type]] = lambda handler, _: handler.answer_json(page, headers={"Connection": "close"})


@asynccontextmanager
async def started(api_type: str, server: Server) -> AsyncGenerator[AnyWorker]:
    worker = worker_for(api_type, server.url)
    list_models(api_type, server)
    try:
        assert await worker.start(), worker.status_reason
        yield worker
    finally:
        await worker.stop()


async def ask(worker: AnyWorker, *, seconds: float = 20, **payload: Any) -> TaskResult:
    payload = {"prompt": "hi", "model": "m", **payload}
    return await worker.execute_task(Task(type=TaskType.LLM_REQUEST, payload=payload, timeout_seconds=seconds))


def answering(status: int, body: bytes, **headers: str) -> Callable[[Handler, Seen], None]:
    shown = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return lambda handler, _: handler.answer(status, body, shown)


@every_kind
@pytest.mark.parametrize(
    ("status", "kind", "after"),
    [
        (400, InvalidPayload, WorkerStatus.IDLE),
        (401, NotConfigured, WorkerStatus.ERROR),
        (302, NotConfigured, WorkerStatus.ERROR),
        (402, NotConfigured, WorkerStatus.ERROR),
        (403, NotConfigured, WorkerStatus.IDLE),  # of this call only
        (404, NotFound, WorkerStatus.IDLE),
        (408, TaskFailed, WorkerStatus.IDLE),
        (429, TaskFailed, WorkerStatus.IDLE),
        (500, TaskFailed, WorkerStatus.IDLE),
        (529, TaskFailed, WorkerStatus.IDLE),
    ],
)
async def test_a_refusal_becomes_our_error_and_the_workers_status(
    api_type: str, status: int, kind: type[VeraError], after: WorkerStatus, simulated_provider: Server
) -> None:
    body = json.dumps({"error": f"no {KEY}"} if api_type == "ollama" else {"error": {"message": f"no {KEY}"}})
    simulated_provider.routes[CHAT_PATHS[api_type]] = answering(status, body.encode())
    async with started(api_type, simulated_provider) as worker:
        with pytest.raises(kind) as caught:
            await ask(worker)
        assert worker.status is after
        assert worker.usage.requests_today == 1
        sent = [seen for seen in simulated_provider.seen if seen.path == CHAT_PATHS[api_type]]
        assert len(sent) == 1  # the client itself tries once only
    assert caught.value.retryable is (kind is TaskFailed)
    if api_type != "ollama":
        assert KEY not in str(caught.value) + repr(caught.value) + str(worker.status_reason)


@with_key
async def test_a_rate_limit_says_when_to_come_back(api_type: str, simulated_provider: Server) -> None:
    simulated_provider.routes[CHAT_PATHS[api_type]] = answering(429, b"{}", Retry_After="17")
    async with started(api_type, simulated_provider) as worker:
        with pytest.raises(TaskFailed) as caught:
            await ask(worker)
    assert caught.value.retry_after == 17


@every_kind
@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"choices": [], "content": null}', b"\xff"])
async def test_an_answer_that_cannot_be_read_is_worth_another_attempt(
    api_type: str, body: bytes, simulated_provider: Server
) -> None:
    simulated_provider.routes[CHAT_PATHS[api_type]] = answering(200, body)
    async with started(api_type, simulated_provider) as worker:
        with pytest.raises(TaskFailed, match="protocol") as caught:
            await ask(worker)
    assert caught.value.retryable


@every_kind
async def test_a_connection_that_breaks_is_worth_another_attempt(api_type: str, simulated_provider: Server) -> None:
    simulated_provider.routes[CHAT_PATHS[api_type]] = lambda handler, _: handler.reset()
    async with started(api_type, simulated_provider) as worker:
        with pytest.raises(TaskFailed, match="broke") as caught:
            await ask(worker)
        assert worker.status is WorkerStatus.IDLE
    assert caught.value.retryable


@every_kind
async def test_a_provider_that_takes_too_long_is_a_timeout(api_type: str, simulated_provider: Server) -> None:
    simulated_provider.routes[CHAT_PATHS[api_type]] = simulated_provider.hang
    async with started(api_type, simulated_provider) as worker:
        with pytest.raises(TaskTimeout) as caught:
            await ask(worker, seconds=0.2)
        assert worker.status is WorkerStatus.IDLE
    assert caught.value.retryable


@every_kind
async def test_a_provider_that_is_away_makes_an_offline_worker_that_recovers(api_type: str) -> None:
    port = free_port()
    worker = worker_for(api_type, f"http://127.0.0.1:{port}")
    assert not await worker.start()
    assert worker.status is WorkerStatus.OFFLINE
    assert f"127.0.0.1:{port}" in (worker.status_reason or "")
    with serving(port=port) as server:
        list_models(api_type, server)
        assert await worker.health_check()
        assert (worker.status, worker.status_reason) == (WorkerStatus.IDLE, None)
    await worker.stop()


@every_kind
async def test_a_provider_that_goes_away_is_noticed_by_the_first_task(api_type: str) -> None:
    with serving() as server:
        list_models(api_type, server)
        worker = worker_for(api_type, server.url)
        assert await worker.start()
    with pytest.raises(WorkerUnavailable):
        await ask(worker)
    assert worker.status is WorkerStatus.OFFLINE
    assert worker.usage.requests_today == 0  # nothing reached it
    await worker.stop()


@with_key
@pytest.mark.parametrize("status", [400, 404, 405, 429, 500, 501])
async def test_a_server_without_a_list_of_models_is_healthy(
    api_type: str, status: int, simulated_provider: Server
) -> None:
    worker = worker_for(api_type, simulated_provider.url)
    simulated_provider.routes[LIST_PATHS[api_type]] = answering(status, b"no list here")
    assert await worker.start()
    await worker.stop()


@with_key
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": 5}'])
async def test_a_server_with_an_odd_list_of_models_is_healthy(
    api_type: str, body: bytes, simulated_provider: Server
) -> None:
    worker = worker_for(api_type, simulated_provider.url)
    simulated_provider.routes[LIST_PATHS[api_type]] = answering(200, body)
    assert await worker.start()
    await worker.stop()


@with_key
@pytest.mark.parametrize("status", [401, 403])
async def test_a_list_that_refuses_the_key_is_an_error_until_it_no_longer_does(
    api_type: str, status: int, simulated_provider: Server
) -> None:
    worker = worker_for(api_type, simulated_provider.url)
    simulated_provider.routes[LIST_PATHS[api_type]] = answering(status, b"{}")
    assert not await worker.start()
    assert worker.status is WorkerStatus.ERROR
    assert str(status) in (worker.status_reason or "")
    list_models(api_type, simulated_provider)
    assert await worker.health_check()
    assert worker.is_usable
    await worker.stop()


@every_kind
async def test_maintenance_is_not_ended_by_a_health_check(api_type: str, simulated_provider: Server) -> None:
    async with started(api_type, simulated_provider) as worker:
        worker.status = WorkerStatus.MAINTENANCE
        assert await worker.health_check()
        assert worker.status is WorkerStatus.MAINTENANCE


@every_kind
async def test_a_stopped_worker_runs_nothing_and_stays_stopped(api_type: str, simulated_provider: Server) -> None:
    async with started(api_type, simulated_provider) as worker:
        pass
    assert not await worker.health_check()
    with pytest.raises(WorkerUnavailable, match="not started"):
        await ask(worker)
    assert worker.status is WorkerStatus.OFFLINE


@every_kind
async def test_a_provider_that_refuses_its_list_takes_no_tasks(api_type: str, simulated_provider: Server) -> None:
    worker = worker_for(api_type, simulated_provider.url)
    simulated_provider.routes[LIST_PATHS[api_type]] = answering(403, b'{"error": {"message": "no"}}')
    assert not await worker.start()
    assert worker.status is WorkerStatus.ERROR
    await worker.stop()


@every_kind
async def test_neither_key_nor_prompt_follows_a_redirect(api_type: str, simulated_provider: Server) -> None:
    with serving() as elsewhere:
        for path in (CHAT_PATHS[api_type], "/v1beta/models/m:streamGenerateContent"):
            simulated_provider.routes[path] = answering(307, b"", Location=elsewhere.url + path)
        async with started(api_type, simulated_provider) as worker:
            for stream in (False, True):
                with pytest.raises(NotConfigured, match="base_url") as caught:
                    await ask(worker, stream=stream)
                assert caught.value.elsewhere
        assert elsewhere.seen == []
