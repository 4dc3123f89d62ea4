"""JSON answers."""

from __future__ import annotations

import json
from typing import Any

import orjson
from starlette.responses import Response


def to_json(content: Any) -> bytes:
    """Return JSON in UTF-8, for anything that the journal can hold."""
    try:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # orjson refuses what is nested above 254 levels, and a lone surrogate; neither may spoil a whole list
        return json.dumps(content, default=str).encode("ascii")


class Json(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return to_json(content)
