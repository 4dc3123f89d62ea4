"""Every exception of the clients, and every way in which a provider fails, becomes the right error of ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import anthropic
import ollama
import openai
import pytest

from tests.http.server import Handler, Seen, Server, free_port
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
from vera_orchestrator.models import Task
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.llm import anthropic as anthropic_adapter
from vera_orchestrator.workers.llm import openai as openai_adapter
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, of_status

# exceptions of parts of the clients that are not used here
UNUSED = {
    "InvalidWebhookSignatureError",
    "WebSocketConnectionClosedError",
    "WebSocketQueueFullError",
    "SubjectTokenProviderError",
    "LengthFinishReasonError",
    "ContentFilterFinishReasonError",
    "APIWebhookValidationError",
    "RetryableError",
}
# read as an answer that cannot be understood
ODD_ANSWER = {"APIError", "APIResponseValidationError"}
CLIENTS = [(openai, openai_adapter.ERRORS), (anthropic, anthropic_adapter.ERRORS)]
CHAT_PATHS = {"openai": "/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
LIST_PATHS = {"openai": "/models", "anthropic": "/v1/models", "ollama": "/api/tags"}
every_kind = pytest.mark.parametrize("api_type", ["openai", "anthropic", "ollama"])
with_key = pytest.mark.parametrize("api_type", ["openai", "anthropic"])


def errors_of(client: ModuleType) -> Iterator[type[Exception]]:
    for name in dir(client):
        item = getattr(client, name)
        if inspect.isclass(item) and issubclass(item, Exception):
            yield item


@pytest.mark.parametrize(("client", "errors"), CLIENTS)
def test_every_exception_of_a_client_is_decided_on(client: ModuleType, errors: ClientErrors) -> None:
    known = (errors.connection, errors.late, errors.status, *errors.credentials)
    found = set(errors_of(client))
    assert len(found) > 12
    undecided = {one.__name__ for one in found if not issubclass(one, known)} - UNUSED - ODD_ANSWER
    assert undecided == {errors.root.__name__}


def test_every_exception_of_ollamas_client_is_decided_on() -> None:
    assert set(errors_of(ollama)) == {ollama.RequestError, ollama.ResponseError}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidPayload),
        (401, NotConfigured),
        (402, NotConfigured),
        (403, NotConfigured),
        (404, NotFound),
        (408, TaskFailed),
        (409, TaskFailed),
        (413, InvalidPayload),
        (422, InvalidPayload),
        (429, TaskFailed),
        (500, TaskFailed),
        (503, TaskFailed),
        (529, TaskFailed),
    ],
)
def test_a_status_says_whether_another_attempt_makes_sense(status: int, kind: type[VeraError]) -> None:
    error = of_status("openai", status, "no", {"retry-after": "7"})
    assert type(error) is kind
    assert error.retryable is (kind is TaskFailed)
    assert error.retry_after == (7 if kind is TaskFailed else None)


def worker_for(api_type: str, url: str) -> LLMAPIWorker | OllamaWorker:
    if api_type == "ollama":
        return OllamaWorker(url)
    return LLMAPIWorker(api_type, KEY, base_url=url)


async def attempt(api_type: str, server: Server, *, seconds: float = 20) -> LLMAPIWorker | OllamaWorker:
    """Run one request; its error comes out, with the worker's state in `args`."""
    worker = worker_for(api_type, server.url)
    list_models(api_type, server)
    assert await worker.start(), worker.status_reason
    task = Task(type=TaskType.LLM_REQUEST, payload={"prompt": "hi", "model": "m"}, timeout_seconds=seconds)
    try:
        await worker.execute_task(task)
    finally:
        seen = worker.status
        await worker.stop()
        worker.status = seen  # as it was after the request
        server_workers.append(worker)
    return worker


server_workers: list[LLMAPIWorker | OllamaWorker] = []


def list_models(api_type: str, server: Server) -> None:
    page: dict[str, Any] = {"models": [{"model": "m"}]} if api_type == "ollama" else {"data": [{"id": "m"}]}
    server.routes[LIST_PATHS[api_type]] = lambda handler, _: handler.answer_json(page)


def answering(status: int, body: bytes, **headers: str) -> Callable[[Handler, Seen], None]:
    return lambda handler, _: handler.answer(status, body, {"Content-Type": "application/json", **headers})
