"""Keys: those of the providers, and the one that callers send."""

from __future__ import annotations

import os
from collections.abc import Mapping

from api.command.checks.finding import Finding, broken, fine, missing
from vera_orchestrator.settings import KeyMode, OrchestratorConfig

PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


def providers(config: OrchestratorConfig, environment: Mapping[str, str] = os.environ) -> Finding:
    """Look for keys of cloud providers in the environment; they are not tried."""
    found = [name for name in PROVIDER_KEYS if environment.get(name)]
    if found and not config.llm_keys_from_environment:
        return missing(
            "Provider keys",
            f"{', '.join(found)} set and not used, as VERA_LLM_KEYS_FROM_ENVIRONMENT=false says.",
            "Take that away, or add keys with: vera workers register openai",
        )
    if found:
        return fine("Provider keys", f"{', '.join(found)} set (not tried here; see vera workers)")
    return missing(
        "Provider keys",
        "none in the environment; cloud models cannot be asked.",
        "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY before vera up, or run: vera workers register openai",
    )


def callers(config: OrchestratorConfig) -> Finding:
    """Look at how callers of the API show who they are."""
    if config.api_key is not None and config.api_key.get_secret_value():
        return fine("API key", "VERA_API_KEY is set")
    if config.require_key is KeyMode.ALWAYS:
        return missing(
            "API key", "VERA_REQUIRE_KEY=always, and VERA_API_KEY is not set.", "Make a key with: vera keys create NAME"
        )
    return fine("API key", "callers on this machine need none; for others: vera keys create NAME")


def settings_broken(words: str, remedy: str | None) -> Finding:
    """Return that the settings do not fit together."""
    return broken("Settings", words, remedy or "See python -m vera_orchestrator.settings.")
