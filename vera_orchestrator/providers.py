"""The kinds of provider of language models, and their names: pure."""

from __future__ import annotations

from collections.abc import Mapping

KINDS = ("openai", "anthropic", "gemini", "ollama")
"""What a kind is called."""
ALIASES: Mapping[str, str] = {"google": "gemini"}
"""Other names of a kind."""


def kind_of(name: str) -> str:
    """Return the name of a kind of provider, which may be given by another one."""
    return ALIASES.get(name, name)
