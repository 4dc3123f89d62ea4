"""The Ollama worker, against a simulated server whose answers are built from the types of Ollama's own client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import ollama
import pytest

from tests.http.server import Server, free_port
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotFound
from vera_orchestrator.models import Task, TaskRequirements, TaskResult
from vera_orchestrator.workers.llm import OllamaWorker

ANSWER = ollama.ChatResponse(
    model="llama3:latest",
    message=ollama.Message(role="assistant", content="Paris"),
    done=True,
    done_reason="stop",
    total_duration=900,
    load_duration=100,
    prompt_eval_count=11,
    eval_count=2,
)


def install(server: Server, *models: str, family: str = "llama") -> None:
    entries = [{"model": name, "details": {"family": family}} for name in models]
    page = ollama.ListResponse.model_validate({"models": entries}).model_dump(mode="json")
    server.routes["/api/tags"] = lambda handler, _: handler.answer_json(page)
    server.routes["/api/chat"] = lambda handler, _: handler.answer_json(ANSWER.model_dump(mode="json"))


@asynccontextmanager
async def started(server: Server, **options: Any) -> AsyncGenerator[OllamaWorker]:
    worker = OllamaWorker(server.url, **options)
    try:
        assert await worker.start(), worker.status_reason
        yield worker
    finally:
        await worker.stop()


async def ask(worker: OllamaWorker, **payload: Any) -> TaskResult:
    task = Task(type=TaskType.OLLAMA_REQUEST, payload={"prompt": "hi", **payload}, timeout_seconds=20)
    return await worker.execute_task(task)


def sent(server: Server) -> Any:
    return server.seen[-1].json()


async def test_the_answer_has_the_text_the_tokens_and_ollamas_times(simulated_provider: Server) -> None:
    install(simulated_provider, "llama3:latest")
    async with started(simulated_provider) as worker:
        result = await ask(worker)
    assert (result.success, result.data) == (True, "Paris")
    expected = {"total_duration": 900, "load_duration": 100, "prompt_eval_count": 11, "eval_count": 2}
    expected |= {"model": "llama3:latest", "tokens_used": 13, "api_type": "ollama", "finish_reason": "stop"}
    assert expected.items() <= result.metrics.items()
    assert (result.metrics["cost_usd"], result.metrics["cost_known"]) == (0, True)


async def test_system_temperature_limit_and_options_reach_the_model(simulated_provider: Server) -> None:
    install(simulated_provider, "m")
    async with started(simulated_provider) as worker:
        await ask(
            worker, system="be brief", temperature=0.1, max_tokens=9, num_ctx=512, options={"seed": 4}, format="json"
        )
    body = sent(simulated_provider)
    assert body["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert body["options"] == {"temperature": 0.1, "num_predict": 9, "num_ctx": 512, "seed": 4}
    assert (body["format"], body["stream"]) == ("json", False)


@pytest.mark.parametrize(
    ("named", "default", "chosen"),
    [
        ("other", "mistral", "other"),
        (None, "mistral", "mistral"),
        (None, "llama3", "llama3:latest"),
        (None, "absent", "gemma"),
        (None, None, "gemma"),
    ],
)
async def test_the_model_is_the_named_else_the_default_else_the_first_that_chats(
    named: str | None, default: str | None, chosen: str, simulated_provider: Server
) -> None:
    install(simulated_provider, "nomic-embed-text", "gemma", "mistral", "llama3:latest")
    async with started(simulated_provider, default_model=default) as worker:
        await ask(worker, model=named)
    assert sent(simulated_provider)["model"] == chosen


async def test_without_a_model_the_error_says_what_to_pull(simulated_provider: Server) -> None:
    install(simulated_provider, "all-minilm", family="bert")
    async with started(simulated_provider, default_model="llama3") as worker:
        with pytest.raises(NotFound, match="ollama pull llama3") as caught:
            await ask(worker)
    assert not caught.value.retryable


async def test_a_model_installed_since_the_last_look_is_found(simulated_provider: Server) -> None:
    install(simulated_provider)
    async with started(simulated_provider) as worker:
        install(simulated_provider, "new")
        await ask(worker)
    assert sent(simulated_provider)["model"] == "new"


async def test_a_named_model_that_is_not_installed_can_be_pulled(simulated_provider: Server) -> None:
    install(simulated_provider, "m")
    simulated_provider.routes["/api/chat"] = lambda handler, _: handler.answer_json({"error": "not found"}, 404)
    async with started(simulated_provider) as worker:
        with pytest.raises(NotFound, match="ollama pull phi4"):
            await ask(worker, model="phi4")


async def test_a_request_that_the_client_refuses_names_the_field(simulated_provider: Server) -> None:
    install(simulated_provider, "m")
    async with started(simulated_provider) as worker:
        with pytest.raises(InvalidPayload, match="payload"):
            await ask(worker, format=5)
    assert all(seen.path != "/api/chat" for seen in simulated_provider.seen)


async def test_a_server_that_is_away_says_how_to_start_it() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    worker = OllamaWorker(url)
    assert not await worker.start()
    await worker.stop()
    assert worker.status_reason == (
        f"Ollama does not answer at {url}: start it (ollama serve) or set ollama_url (VERA_OLLAMA_URL)."
    )


async def test_a_host_that_is_no_ollama_is_an_error(simulated_provider: Server) -> None:
    simulated_provider.routes["/api/tags"] = lambda handler, _: handler.answer(404)
    worker = OllamaWorker(simulated_provider.url)
    assert not await worker.start()
    assert worker.status is WorkerStatus.ERROR
    await worker.stop()


async def test_the_wire_form_lists_what_is_installed(simulated_provider: Server) -> None:
    install(simulated_provider, "a", "b")
    async with started(simulated_provider, default_model="a") as worker:
        wire = worker.to_dict()
    assert wire["id"] == f"ollama-127.0.0.1:{simulated_provider.port}"
    assert (wire["ollama_url"], wire["default_model"]) == (simulated_provider.url, "a")
    assert wire["available_models"] == ["a", "b"]
    assert wire["max_concurrent_tasks"] == 4
    assert wire["capabilities"] == ["llm_inference", "ollama"]


def test_it_takes_llm_and_ollama_requests_and_fitting_custom_types() -> None:
    worker = OllamaWorker("http://127.0.0.1:9")
    taken = {type_ for type_ in TaskType if worker.accepts(Task(type=type_))}
    assert taken == {TaskType.LLM_REQUEST, TaskType.OLLAMA_REQUEST}
    assert worker.accepts(Task(requirements=TaskRequirements(worker_capabilities=["ollama"])))
    assert not worker.accepts(Task(requirements=TaskRequirements(worker_capabilities=["docker"])))
