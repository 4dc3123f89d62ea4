"""All adapters keep the promises of one suite, with the simulator as their provider."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator

import pytest_asyncio
from pydantic import SecretStr

from tests.conformance.llm import AdapterSuite
from tests.http.server import free_port
from tests.workers.llm.conftest import KEY
from vera_orchestrator.pricing import FREE
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm.anthropic import AnthropicAdapter
from vera_orchestrator.workers.llm.base import Access, Adapter
from vera_orchestrator.workers.llm.gemini import GeminiAdapter
from vera_orchestrator.workers.llm.ollama import OllamaAdapter
from vera_orchestrator.workers.llm.openai import OpenAIAdapter


def access(api_type: str, url: str | None) -> Access:
    return Access(api_type=api_type, api_key=SecretStr(KEY), base_url=url)


class SimulatedSuite(AdapterSuite):
    """The suite against the simulator."""

    @staticmethod
    @abstractmethod
    def connect(url: str) -> Adapter: ...

    @pytest_asyncio.fixture
    async def adapter(self, simulating: Running, simulator: Simulator) -> AsyncGenerator[Adapter]:
        adapter = self.connect(simulating.url)
        yield adapter
        await adapter.close()

    @pytest_asyncio.fixture
    async def away(self) -> AsyncGenerator[Adapter]:
        adapter = self.connect(f"http://127.0.0.1:{free_port()}")
        yield adapter
        await adapter.close()


class TestOpenAI(SimulatedSuite):
    @staticmethod
    def connect(url: str) -> Adapter:
        return OpenAIAdapter(access("openai", f"{url}/v1"))


class TestAnthropic(SimulatedSuite):
    embeds = False
    makes_any_json = False

    @staticmethod
    def connect(url: str) -> Adapter:
        return AnthropicAdapter(access("anthropic", url))


class TestGemini(SimulatedSuite):
    counts_parts = ("cache_read", "reasoning")
    counts_embeddings = False

    @staticmethod
    def connect(url: str) -> Adapter:
        return GeminiAdapter(access("gemini", url))


class TestOllama(SimulatedSuite):
    counts_parts = ()
    has_key = False
    fetches_images = False
    forces_tools = False
    filters = False

    @staticmethod
    def connect(url: str) -> Adapter:
        return OllamaAdapter(url)


async def test_adapters_name_whose_prices_hold() -> None:
    own = [
        OpenAIAdapter(access("openai", None)),
        AnthropicAdapter(access("anthropic", None)),
        GeminiAdapter(access("gemini", None)),
    ]
    assert [adapter.pricing_provider for adapter in own] == ["openai", "anthropic", "google"]
    gateway = OpenAIAdapter(access("openai", "http://127.0.0.1:9/v1"))
    assert gateway.pricing_provider is None
    ollama = OllamaAdapter("http://127.0.0.1:9")
    assert (ollama.pricing_provider, ollama.own_price) == (None, FREE)
    for adapter in (*own, gateway, ollama):
        assert adapter.tokens_per_image > 0
        await adapter.close()
