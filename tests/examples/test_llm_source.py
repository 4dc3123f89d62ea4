"""Who is asked in the main job's LLM step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from examples.display import show_answers
from examples.llm_source import found_source
from tests.http.server import free_port
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker

KEY = "sk-test-0123456789"


@pytest.fixture(scope="module")
def simulating() -> Generator[Running]:
    settings = SimulatorSettings.model_validate({"models": ("llama3.2",), "key": KEY})
    with serving(Simulator(settings)) as running:
        yield running


@asynccontextmanager
async def started(*workers: BaseWorker) -> AsyncGenerator[tuple[BaseWorker, ...]]:
    for worker in workers:
        await worker.start()
    yield workers
    for worker in workers:
        await worker.stop()


def away() -> OllamaWorker:
    return OllamaWorker(f"http://127.0.0.1:{free_port()}")


def provider(running: Running, key: str = KEY) -> LLMAPIWorker:
    return LLMAPIWorker("openai", key, base_url=f"{running.url}/v1", worker_id="gateway")


async def test_an_ollama_with_a_model_comes_first(simulating: Running) -> None:
    async with started(provider(simulating), away(), OllamaWorker(simulating.url)) as workers:
        found = found_source(workers, Console(quiet=True))
    assert found is not None
    assert (found.words, found.capability) == (f"Ollama at {simulating.url}", "ollama")


async def test_an_ollama_that_is_away_leaves_it_to_a_provider(simulating: Running) -> None:
    async with started(away(), provider(simulating)) as workers:
        found = found_source(workers, Console(quiet=True))
    assert found is not None
    assert (found.words, found.capability) == ("gateway", "openai_api")


async def test_a_key_that_is_refused_is_told_and_never_shown(simulating: Running) -> None:
    console = Console(width=200)
    async with started(provider(simulating, "sk-wrong-0123456789")) as workers:
        with console.capture() as captured:
            assert found_source(workers, console) is None
    assert captured.get().startswith("gateway cannot be asked: openai refused the key (401).")
    assert "sk-wrong" not in captured.get()


async def test_an_ollama_without_a_model_that_chats_is_not_asked() -> None:
    with serving(Simulator(SimulatorSettings(models=("nomic-embed-text",)))) as running:
        async with started(OllamaWorker(running.url)) as workers:
            assert found_source(workers, Console(quiet=True)) is None


def test_an_answer_is_shown_with_model_tokens_and_cost() -> None:
    metrics = {"model": "gpt-5.4-mini", "tokens_used": 1_234, "cost_usd": 0.00125}
    result = {"success": True, "data": "once [upon]\na time", "metrics": metrics}
    done = {"id": "task-1", "status": "completed", "result": result}
    waiting = {"id": "task-2", "status": "pending", "result": None}
    console = Console(width=120)
    with console.capture() as captured:
        show_answers(console, {"tasks": [done, waiting]}, "openai")
    shown = captured.get()
    assert "Language models: openai" in shown
    for part in ("gpt-5.4-mini", "1,234", "0.001250 USD", "once [upon] a time"):
        assert part in shown
    assert "not known" not in shown
