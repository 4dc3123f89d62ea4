"""Keys in the environment variables that the providers' own clients read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from blocks.llm_provider import LLMProvider


@dataclass(frozen=True, kw_only=True)
class Variables:
    """The variables of one kind of provider; of several that are set the first one counts."""

    kind: str
    keys: tuple[str, ...]
    addresses: tuple[str, ...]


VARIABLES = (
    Variables(kind="openai", keys=("OPENAI_API_KEY",), addresses=("OPENAI_BASE_URL",)),
    Variables(kind="anthropic", keys=("ANTHROPIC_API_KEY",), addresses=("ANTHROPIC_BASE_URL",)),
    Variables(kind="gemini", keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"), addresses=("GOOGLE_GEMINI_BASE_URL",)),
)


def providers_in(environment: Mapping[str, str]) -> Iterator[LLMProvider]:
    """Yield what the environment holds, to make workers of; it is not for saving."""
    for names in VARIABLES:
        key = _first(environment, names.keys)
        if key is not None:
            yield LLMProvider(kind=names.kind, api_key=SecretStr(key), base_url=_first(environment, names.addresses))


def _first(environment: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((value for name in names if (value := environment.get(name, "").strip())), None)
