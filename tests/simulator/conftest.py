"""One simulator on a real port for all tests, reset for each of them, and the official clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

KEY = "a-key-of-the-tests"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Pauses(list[float]):
    """The pauses that the simulator would have made, in seconds."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture(scope="session")
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture(scope="session")
def running(pauses: Pauses) -> Iterator[Running]:
    """The simulator; nothing of it leaves loopback, whatever the environment says of proxies."""
    with pytest.MonkeyPatch.context() as patch, serving(Simulator(sleep=pauses)) as served:
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        yield served


@pytest.fixture
def simulator(running: Running, pauses: Pauses) -> Iterator[Simulator]:
    """The simulator as it is when nothing was set and nobody asked."""
    running.simulator.configure(SimulatorSettings())
    running.simulator.forget()
    pauses.clear()
    yield running.simulator


@pytest.fixture(scope="session")
def http(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def openai_client(running: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_client(running: Running) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=running.url, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def gemini_client(running: Running) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=running.url, api_version="v1beta", timeout=60_000)
    client = genai.Client(api_key=KEY, http_options=options)
    yield client
    client.close()


@pytest.fixture(scope="session")
def ollama_client(running: Running) -> Iterator[ollama.Client]:
    client = ollama.Client(host=running.url, timeout=60)
    yield client
    client.close()


def user(text: str) -> Any:
    """The messages of a conversation of one turn, as OpenAI, Anthropic and Ollama take them."""
    return [{"role": "user", "content": text}]
