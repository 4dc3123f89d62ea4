"""What is written on the command line, as values."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from api.command.exits import CommandFailed, Exit

HOW = "Write NAME=TEXT, NAME:=JSON or NAME=@FILE."
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def values_of(fields: Iterable[str]) -> dict[str, Any]:
    """Return the object that `name=text`, `name:=json` and `name=@file` describe; `a.b=x` goes into an object `a`.

    Raises CommandFailed, naming the field.
    """
    values: dict[str, Any] = {}
    for field in fields:
        name, sign, text = field.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not sign or not name:
            raise CommandFailed(Exit.USAGE, f"{field!r} is no field.", HOW)
        *path, last = name.split(".")
        place = values
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise CommandFailed(Exit.USAGE, f"{part!r} is a value and an object too.", HOW)
            place = cast("dict[str, Any]", inner)
        place[last] = from_json(text, name) if is_json else _text(text, name)
    return values


def payload_of(fields: Iterable[str], text: str | None) -> dict[str, Any]:
    """Return a payload: JSON as text, @FILE or "-" for standard input, and the fields over it."""
    whole: Any = {}
    if text is not None:
        read = sys.stdin.read() if text == "-" else _text(text, "--payload")
        whole = from_json(read, "--payload")
    if not isinstance(whole, dict):
        raise CommandFailed(Exit.USAGE, "--payload is no JSON object.", 'Write it like {"code": "print(1)"}.')
    return {**cast("dict[str, Any]", whole), **values_of(fields)}


def from_json(text: str, name: str) -> Any:
    """Return the value of a JSON text. Raises CommandFailed, naming where it was given."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"{name} is not JSON: {error}.", HOW) from error


def moment_of(text: str | None) -> str | None:
    """Return a time in ISO 8601; `2h` is two hours ago. Raises CommandFailed for what is neither."""
    if text is None:
        return None
    if span := re.fullmatch(r"(\d+)([smhdw])", text):
        return (datetime.now(UTC) - timedelta(**{UNITS[span[2]]: int(span[1])})).isoformat()
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError as error:
        remedy = "Write 30m, 2h or 7d for so long ago, or 2026-01-31T12:00."
        raise CommandFailed(Exit.USAGE, f"{text!r} is no time.", remedy) from error


def _text(text: str, name: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(Exit.USAGE, f"{name}: {text[1:]} cannot be read: {error}.") from error
