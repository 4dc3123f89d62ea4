"""JSON values and texts on their way between workers, dependents and the journal."""

from __future__ import annotations

from typing import Any, cast

import orjson

from vera_orchestrator.secrets import redact

MOST_CHARACTERS = 20_000
_PLAIN = (str, int, float, bool, type(None))


def storable(text: str) -> str:
    """Return a text that any database takes: without lone surrogates and NUL, and of bounded length."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "")
    return clean if len(clean) <= MOST_CHARACTERS else clean[:MOST_CHARACTERS] + " ..."


def own_copy(value: Any) -> Any:
    """Return a copy of a JSON value that nobody else can change; what has no JSON form is returned as it is."""
    if isinstance(value, _PLAIN):
        return value
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        return value


def has_placeholder(payload: dict[str, Any], task_id: str) -> bool:
    """Return whether a payload may name a task in a placeholder."""
    return "{" + task_id in orjson.dumps(payload).decode()


def redacted(value: Any, secrets: frozenset[str]) -> Any:
    """Return a JSON value in which known secret texts are masked."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {key: redacted(one, secrets) for key, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [redacted(one, secrets) for one in cast("list[Any]", value)]
    return value
