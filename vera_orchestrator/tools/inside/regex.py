"""In the sandbox: find the matches of a regular expression."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

MAX_MATCHES = 10_000
MAX_CHARACTERS = 2_000_000


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Take `pattern` and `text`; give `matches` and whether there were more than are given."""
    try:
        pattern: re.Pattern[str] = re.compile(request["pattern"])
    except (re.error, OverflowError, RecursionError) as error:
        return {"field": "pattern", "error": f"{request['pattern']!r} is not a regular expression: {error}."}
    matches: list[dict[str, Any]] = []
    characters = 0
    for found in pattern.finditer(request["text"]):
        characters += sum(len(part) for part in (found[0], *found.groups("")))
        if len(matches) == MAX_MATCHES or characters > MAX_CHARACTERS:
            return {"value": {"matches": matches, "truncated": True}}
        matches.append(
            {
                "match": found[0],
                "start": found.start(),
                "end": found.end(),
                "groups": list(found.groups()),
                "named": found.groupdict(),
            }
        )
    return {"value": {"matches": matches, "truncated": False}}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
