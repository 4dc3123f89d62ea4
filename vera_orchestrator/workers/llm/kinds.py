"""The kinds of provider, as a table. A client library is imported when its factory is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vera_orchestrator.enums import WorkerCapability
from vera_orchestrator.errors import InvalidValue, NotConfigured
from vera_orchestrator.providers import kind_of
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.llm.base import Access, Adapter

CAPABILITIES: Mapping[str, WorkerCapability] = {
    "openai": WorkerCapability.OPENAI_API,
    "anthropic": WorkerCapability.ANTHROPIC_API,
    "gemini": WorkerCapability.GEMINI_API,
}


def _openai(access: Access) -> Adapter:
    from vera_orchestrator.workers.llm.openai import OpenAIAdapter

    return OpenAIAdapter(access)


def _anthropic(access: Access) -> Adapter:
    from vera_orchestrator.workers.llm.anthropic import AnthropicAdapter

    return AnthropicAdapter(access)


def _gemini(access: Access) -> Adapter:
    from vera_orchestrator.workers.llm.gemini import GeminiAdapter

    return GeminiAdapter(access)


ADAPTERS: Mapping[str, Callable[[Access], Adapter]] = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
ADDRESSES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""The address of the company behind a kind, as its client has it."""
PRICE_LISTS: Mapping[str, str] = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
"""Whose price list is that of the company behind a kind."""


def default_model_of(api_type: str, config: OrchestratorConfig) -> str | None:
    """Return the model that the settings name for a kind; for the provider's own address, as others have others."""
    defaults = {
        "openai": config.default_openai_model,
        "anthropic": config.default_anthropic_model,
        "gemini": config.default_gemini_model,
        "ollama": config.default_ollama_model,
    }
    return defaults.get(kind_of(api_type))


def capability_of(api_type: str) -> WorkerCapability:
    """Return the capability of a kind of provider; raises InvalidValue for one that is unknown."""
    try:
        return CAPABILITIES[api_type]
    except KeyError:
        raise InvalidValue(
            f"{api_type!r} is not a kind of provider.",
            field="api_type",
            remedy=f"Use one of {', '.join(CAPABILITIES)}; servers that speak OpenAI's protocol are openai.",
        ) from None


def connect(access: Access) -> Adapter:
    """Return the adapter of a kind, with its client; sends nothing. Raises NotConfigured where there is none."""
    factory = ADAPTERS.get(access.api_type)
    if factory is None:
        raise NotConfigured(f"{access.api_type} has no adapter.", remedy=f"Use one of {', '.join(ADAPTERS)}.")
    try:
        return factory(access)
    except ImportError as error:
        raise NotConfigured(
            f"{access.api_type} needs the package {error.name}.", remedy="Install vera-orchestrator with all it needs."
        ) from None
