"""All routes of an app, whatever stands between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI

Endpoint = tuple[str, str]
"""Method and path; WS for a WebSocket."""


def endpoints(app: FastAPI) -> list[Endpoint]:
    """Return every endpoint that an app has, documented or not."""
    return [
        (method, str(route.path or route.starlette_route.path))
        for route in _routes(app.routes)
        for method in sorted(set(route.methods or {"WS"}) - {"HEAD", "OPTIONS"})
    ]


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from _routes(route.effective_candidates())
        else:
            yield route
