"""Results of dependencies, put into the payload of the task that depends on them.

`{ID}` stands for the result of the dependency ID, `{ID.path.0}` for a part of it. Only ids of declared dependencies
make a placeholder, the longest id first; every other brace is left alone. `{{ID}}` gives the literal `{ID}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from vera_orchestrator.errors import SubstitutionFailed

_PATH = re.compile(r"(?:\.[^.{}\r\n]+)*")
_INDEX = re.compile(r"[0-9]{1,9}")


def substitute(payload: dict[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload with the placeholders in all its strings filled in; keys of objects are left alone.

    `results` holds the result, a JSON value, of every declared dependency by id. A string that is exactly one
    placeholder becomes the result itself, shared and not copied; inside a longer string a result that is text is
    inserted as it is and any other as compact JSON. What was inserted is not looked at again. The payload is never
    changed, and is itself returned where nothing is to be filled in. Raises SubstitutionFailed for a path that the
    result does not have; in a result that is the text of a JSON object or list, a path leads into what it says.
    """
    if not results:
        return payload
    template = _Template(results)
    if not any(template.next_in(text, 0) for text in _strings(payload)):
        return payload
    filled = dict(payload)
    copies: list[Any] = [filled]
    while copies:
        copy = copies.pop()
        for key, value in _members(copy):
            if isinstance(value, str):
                copy[key] = template.fill(value)
            elif isinstance(value, dict | list):
                copy[key] = cast("dict[str, Any] | list[Any]", value).copy()
                copies.append(copy[key])
    return filled


class _Placeholder(NamedTuple):
    """A placeholder in a text: what it names, its path with the leading dot, and where it is.

    An `escaped` one stands for its own text without the outer braces.
    """

    id: str
    path: str
    start: int
    end: int
    escaped: bool


class _Template:
    """Finds and fills placeholders for one set of results."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        # Looking ids up by length needs no pattern, whose size and making would grow with the number of dependencies.
        self._lengths = sorted({len(task_id) for task_id in results} - {0}, reverse=True)
        self._parsed: dict[str, Any] = {}

    def next_in(self, text: str, position: int) -> _Placeholder | None:
        """Return the first placeholder, escaped or not, at or after a position."""
        while (brace := text.find("{", position)) != -1:
            found = self._at(text, brace, "{{", "}}") or self._at(text, brace, "{", "}")
            if found:
                return found
            position = brace + 1
        return None

    def _at(self, text: str, start: int, opening: str, closing: str) -> _Placeholder | None:
        if not text.startswith(opening, start):
            return None
        begin = start + len(opening)
        for length in self._lengths:
            task_id = text[begin : begin + length]
            if task_id not in self._results:
                continue
            path = _PATH.match(text, begin + length)
            if path and text.startswith(closing, path.end()):
                end = path.end() + len(closing)
                return _Placeholder(task_id, path.group(), start, end, escaped=len(opening) > 1)
        return None

    def fill(self, text: str) -> Any:
        """Return the text with its placeholders replaced, or the value if it is nothing but one placeholder."""
        parts: list[str] = []
        done = 0
        while found := self.next_in(text, done):
            parts.append(text[done : found.start])
            done = found.end
            if found.escaped:
                parts.append(text[found.start + 1 : found.end - 1])
                continue
            value = self._value(found)
            if found.start == 0 and found.end == len(text):
                return value
            parts.append(value if isinstance(value, str) else _compact(value))
        return "".join([*parts, text[done:]]) if parts else text

    def _value(self, found: _Placeholder) -> Any:
        if not found.path:
            return self._results[found.id]
        value = self._structure(found.id)
        for segment in found.path[1:].split("."):
            inner = _member(value, segment)
            if inner is _MISSING:
                raise SubstitutionFailed(
                    f"The result of task {found.id!r} has no {found.path[1:]!r}: "
                    f"{segment!r} was looked for in {_described(value)}.",
                    field=f"{{{found.id}{found.path}}}",
                    remedy="Correct the path, or double the braces if the text is meant as it stands.",
                )
            value = inner
        return value

    def _structure(self, task_id: str) -> Any:
        """Return a result as something that a path can lead into; text is parsed once."""
        if task_id not in self._parsed:
            result = self._results[task_id]
            self._parsed[task_id] = _parsed(result) if isinstance(result, str) else result
        return self._parsed[task_id]


_MISSING = object()


def _member(value: Any, segment: str) -> Any:
    """Return the member of an object or list that a segment of a path names, or _MISSING."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(segment, _MISSING)
    if isinstance(value, list) and _INDEX.fullmatch(segment):
        items = cast("list[Any]", value)
        index = int(segment)
        return items[index] if index < len(items) else _MISSING
    return _MISSING


def _parsed(text: str) -> Any:
    """Return the object or list that a text spells in JSON, or else the text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _described(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return f"a list of {len(cast('list[Any]', value))}"
        case str():
            return "text"
        case _:
            return "a single value"


def _members(container: Any) -> list[tuple[Any, Any]]:
    """Return the keys or indices of a container with their values."""
    if isinstance(container, dict):
        return list(cast("dict[str, Any]", container).items())
    return list(enumerate(cast("list[Any]", container)))


def _strings(payload: dict[str, Any]) -> Iterator[str]:
    """Yield every string of a payload but the keys."""
    containers: list[Any] = [payload]
    while containers:
        for _, value in _members(containers.pop()):
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict | list):
                containers.append(value)
