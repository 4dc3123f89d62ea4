"""What a task is about, in a line that lists can show without its payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

LONGEST = 160
LOOKED_AT = 2_000


def summary_of(payload: object) -> str | None:
    """Return the first line of what tells most about a payload, or None.

    Only plain text is taken, so that neither a sealed secret nor a reference to one appears, and of an address only
    host and path.
    """
    fields: Mapping[str, object] = cast("Mapping[str, object]", payload) if isinstance(payload, Mapping) else {}
    for name, shorten in _TELLING.items():
        line = shorten(fields.get(name))
        if line:
            return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return None


def _first_line(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    lines = value[:LOOKED_AT].strip().splitlines()
    return lines[0].strip() if lines else None


def _address(value: object) -> str | None:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}" if parts and parts.netloc else None


def _last_message(value: object) -> str | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    last = cast("Sequence[object]", value)[-1]
    return _first_line(cast("Mapping[str, object]", last).get("content")) if isinstance(last, Mapping) else None


def _words(value: object) -> str | None:
    if isinstance(value, str):
        return _first_line(value)
    if not isinstance(value, Sequence):
        return None
    words = cast("Sequence[object]", value)[:20]
    return _first_line(" ".join(word for word in words if isinstance(word, str)))


_TELLING: Mapping[str, Callable[[object], str | None]] = {
    "prompt": _first_line,
    "messages": _last_message,
    "tool_name": _first_line,
    "url": _address,
    "code": _first_line,
    "command": _words,
    "focus": _first_line,
    "input": _words,
}
"""The fields of the payloads that are known, the most telling first."""
