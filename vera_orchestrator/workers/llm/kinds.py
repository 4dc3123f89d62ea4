"""The kinds of provider, as a table. A client library is imported when its factory is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

from vera_orchestrator.enums import WorkerCapability
from vera_orchestrator.errors import InvalidValue, NotConfigured
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


ADAPTERS: Mapping[str, Callable[[Access], Adapter]] = {"openai": _openai, "anthropic": _anthropic}


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
    if factory is not None:
        return factory(access)
    if access.api_type == "gemini" and not _has_google_genai():
        raise NotConfigured("gemini needs the package google-genai.", remedy="Install it: pip install google-genai.")
    raise NotConfigured(f"{access.api_type} has no adapter.", remedy=f"Use one of {', '.join(ADAPTERS)}.")


def _has_google_genai() -> bool:
    # find_spec imports the parent package and raises where that is missing
    return find_spec("google") is not None and find_spec("google.genai") is not None
