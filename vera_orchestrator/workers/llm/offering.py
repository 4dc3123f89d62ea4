"""What a task asks for, as far as it can be told at a glance: pure, and fast enough for every look at a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from vera_orchestrator.workers.llm.messages import mapping

CHARACTERS_PER_TOKEN = 4
USUAL_OUTPUT = 500  # tokens


def named_models(payload: Mapping[str, Any], classes: Mapping[str, Sequence[str]]) -> Sequence[str | None]:
    """Return the models that a payload may mean, the first choice first; None where it names none."""
    named = payload.get("model")
    if not isinstance(named, str) or not named:
        return (None,)
    return classes.get(named, (named,))


def expected_tokens(payload: Mapping[str, Any]) -> tuple[int, int]:
    """Return about how many tokens go in and come out; a payload that is not valid counts as far as it is."""
    characters = sum(_length(payload.get(name)) for name in ("prompt", "system", "messages", "input"))
    given = payload.get("max_tokens")
    output = given if isinstance(given, int) and given > 0 else USUAL_OUTPUT
    return characters // CHARACTERS_PER_TOKEN, 0 if payload.get("kind") == "embedding" else output


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(_length(item) for item in cast("list[Any]", value))
    part = mapping(value)
    return 0 if part is None else _length(part.get("content")) + _length(part.get("text"))
