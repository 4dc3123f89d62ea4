"""What clients of OpenAI's API find at `/v1`: their requests, answered by the orchestrator's workers."""

from __future__ import annotations

from fastapi import FastAPI

from api.openai import chat, embeddings, models, responses
from api.openai.errors import ERRORS

PREFIX = "/v1"


def is_openais(path: str) -> bool:
    """Return whether a path is of OpenAI's API, be there a route or not."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def add_openai(app: FastAPI) -> None:
    """Serve OpenAI's API at `/v1` of an app that serves an orchestrator."""
    for router in (chat.router, embeddings.router, models.router, responses.router):
        app.include_router(router, prefix=PREFIX, responses=ERRORS)
