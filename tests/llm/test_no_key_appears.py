"""A key is sent to its provider and appears nowhere else, also where the provider repeats it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from blocks import LLMProvider
from tests.http.server import Handler, Seen, Server, serving
from tests.llm.stage import KINDS, PATHS, REFUSED, Make, asking, connected, in_account, kept, streamed
from tests.support import run
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import TaskResult
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm import OllamaWorker

SECRET = "sk-nobody-may-see-this-0123456789abcdef"
CHAT_PATHS = {
    "openai": ["/v1/chat/completions"],
    "anthropic": ["/v1/messages"],
    "gemini": ["/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent"],
    "ollama": ["/api/chat"],
}
LISTS: dict[str, tuple[str, Any]] = {
    "openai": ("/v1/models", {"data": [{"id": "m"}]}),
    "anthropic": ("/v1/models", {"data": [{"id": "m"}]}),
    "gemini": ("/v1beta/models", {"models": [{"name": "models/m"}]}),
    "ollama": (
        "/api/tags",
        ollama.ListResponse(models=[ollama.ListResponse.Model(model="m")]).model_dump(mode="json"),
    ),
}
SAID = f"Incorrect API key provided: {SECRET}. You can find yours elsewhere."
every_kind = pytest.mark.parametrize("kind", KINDS)


def body_of(kind: str, status: int) -> bytes:
    """Return a refusal that repeats the key, in the form of a provider."""
    error: Any = SAID if kind == "ollama" else {"message": SAID, "type": SAID, "code": status, "status": SAID}
    return json.dumps({"error": error}).encode()


@pytest.fixture
def provider_that_tells(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that a test lets repeat the key; Ollama's client takes its key from the environment."""
    monkeypatch.setenv("OLLAMA_API_KEY", SECRET)
    with serving() as server:
        yield server


Answer = Callable[[Handler, Seen], None]


async def at(make: Make, kind: str, server: Server, answer: Answer) -> tuple[UnifiedOrchestrator, BaseWorker]:
    """Return an orchestrator with its journal on disk, and the worker of a provider that answers so."""
    path, listed = LISTS[kind]
    server.routes[path] = lambda handler, _: handler.answer_json(listed)
    for path in CHAT_PATHS[kind]:
        server.routes[path] = answer
    return await connected(make, kind, server.url, database_url=None, key=SECRET)


def sent(server: Server, kind: str) -> list[Seen]:
    """Return the requests that cost something, each of which must have had the key."""
    asked = [seen for seen in server.seen if seen.path.partition("?")[0] in CHAT_PATHS[kind]]
    assert all(SECRET in " ".join(seen.headers.values()) for seen in asked)
    assert not any(SECRET in seen.path for seen in asked)
    return asked


def shown(one: UnifiedOrchestrator, worker: BaseWorker, results: list[TaskResult]) -> str:
    """Return all that anybody is shown of what happened."""
    values: list[object] = [
        *(worker, worker.config, worker.status_reason, worker.to_dict(), vars(worker)),
        *(one.config, one.get_status(), one.worker_registry.to_dict(), one.get_task_history()),
        *results,
    ]
    return "\n".join([*map(repr, values), *map(str, values), one.config.model_dump_json()])


def written(home: Path) -> bytes:
    """Return the bytes of all files of the state folder, the journal and its write-ahead log among them."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    assert any(path.name == "journal.db" for path in files)
    return b"\n".join(path.read_bytes() for path in files)


@every_kind
async def test_refusals_that_repeat_the_key_show_it_nowhere(
    make: Make, provider_that_tells: Server, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    statuses = [400, 401, 403, 404, 429, 500]

    def refuse(handler: Handler, seen: Seen) -> None:
        handler.answer(statuses[0], body_of(kind, statuses[0]), {"Content-Type": "application/json"})

    with caplog.at_level(logging.DEBUG):
        one, worker = await at(make, kind, provider_that_tells, refuse)
        while statuses:
            whole = await run(one, asking(max_retries=1))
            said = shown(one, worker, [whole])
            assert await worker.health_check()
            _, pieces = await streamed(one, asking(max_retries=0))
            assert SECRET not in said + shown(one, worker, [pieces]), statuses[0]
            assert (whole.success, pieces.success) == (False, False)
            assert await worker.health_check()
            del statuses[0]
    assert len(sent(provider_that_tells, kind)) >= 12
    assert caplog.records
    assert SECRET not in caplog.text
    assert SECRET.encode() not in written(one.config.home)


@every_kind
async def test_an_answer_that_goes_well_leaves_the_key_nowhere(
    make: Make, provider_that_tells: Server, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        one, worker = await at(make, kind, provider_that_tells, lambda handler, _: handler.answer(200, b"{}"))
        result = await run(one, asking(max_retries=1))
    assert sent(provider_that_tells, kind)
    assert SECRET not in shown(one, worker, [result]) + caplog.text
    assert SECRET.encode() not in written(one.config.home)


@every_kind
async def test_a_stream_that_breaks_with_the_key_in_its_last_words_shows_it_nowhere(
    make: Make, provider_that_tells: Server, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def break_off(handler: Handler, seen: Seen) -> None:
        told = body_of(kind, 500) + b"\n"
        if kind != "ollama":
            told = b"event: error\ndata: " + told + b"\n"
        handler.answer(200, told, {"Content-Type": "application/x-ndjson" if kind == "ollama" else "text/event-stream"})

    with caplog.at_level(logging.DEBUG):
        one, worker = await at(make, kind, provider_that_tells, break_off)
        _, result = await streamed(one, asking(max_retries=0))
    assert not result.success
    assert len(sent(provider_that_tells, kind)) == 1
    assert SECRET not in shown(one, worker, [result]) + caplog.text
    assert SECRET.encode() not in written(one.config.home)


async def test_a_key_that_gemini_calls_invalid_makes_the_worker_an_error_and_costs_nothing(
    make: Make, provider_that_tells: Server
) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": SECRET}]
    error = {"code": 400, "message": SAID, "status": "INVALID_ARGUMENT", "details": details}
    one, worker = await at(
        make, "gemini", provider_that_tells, lambda handler, _: handler.answer_json({"error": error}, status=400)
    )
    task = asking(max_retries=3)
    result = await run(one, task)
    assert (result.error_type, task.retry_count) == ("NotConfigured", 0)
    assert worker.status is WorkerStatus.ERROR
    assert [in_account(attempt) for attempt in await kept(one, task)] == [REFUSED]
    assert SECRET not in shown(one, worker, [result])


@pytest.mark.parametrize("kind", list(PATHS))
async def test_a_connection_that_breaks_shows_no_key(
    make: Make, provider_that_tells: Server, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        one, worker = await at(make, kind, provider_that_tells, lambda handler, _: handler.reset())
        result = await run(one, asking(max_retries=1))
    assert SECRET not in shown(one, worker, [result]) + caplog.text
    assert SECRET.encode() not in written(one.config.home)


@pytest.mark.parametrize("kind", list(PATHS))
def test_a_block_shows_no_key(kind: str) -> None:
    block = LLMProvider(kind=kind, api_key=SECRET)  # pyright: ignore[reportArgumentType]
    worker = block.worker(OrchestratorConfig(prefect="off"))  # pyright: ignore[reportArgumentType]
    assert SECRET not in f"{block!r} {block} {block.model_dump()} {block.model_dump_json()} {worker!r} {vars(worker)}"


async def test_a_registration_that_is_refused_shows_no_key(make: Make) -> None:
    one = await make()
    for wrong in ({"kind": "nobody"}, {"base_url": "ftp://x"}, {"rate": 0}, {"key": f"{SECRET} and more"}):
        options: dict[str, Any] = {"kind": "openai", "key": SECRET, "base_url": None, "rate": 1, **wrong}
        with pytest.raises(InvalidValue) as caught:
            await one.register_llm_api(options["kind"], options["key"], options["rate"], base_url=options["base_url"])
        assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize("field", ["ollama_url", "ollama_hosts"])
def test_an_account_in_the_address_of_ollama_is_refused_unseen(field: str) -> None:
    address = f"http://me:{SECRET}@127.0.0.1:9"
    with pytest.raises(InvalidValue, match=field) as caught:
        OrchestratorConfig(prefect="off", **{field: address})  # pyright: ignore[reportArgumentType]
    assert SECRET not in f"{caught.value!r} {caught.value}"
    with pytest.raises(InvalidValue) as refused:
        OllamaWorker(address)
    assert SECRET not in f"{refused.value!r} {refused.value}"
