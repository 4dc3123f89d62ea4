"""Pages of other origins: none may read an answer, unless the settings name theirs."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from vera_orchestrator.errors import VeraError
from vera_orchestrator.settings import OrchestratorConfig

METHODS = ("GET", "POST", "DELETE")
SENT = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "traceparent")
SHOWN = (
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "x-request-id",
    "x-vera-task-id",
    "x-vera-worker",
    "x-vera-cost-usd",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
)


class Cors:
    """Answers for the origins in `cors_origins`, read with the first request; such a page still needs a key."""

    def __init__(self, app: ASGIApp, config: Callable[[], OrchestratorConfig]) -> None:
        self._app = app
        self._config = config
        self._inner: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or pass on what is none."""
        app = self._answering() if scope["type"] == "http" else self._app
        await app(scope, receive, send)

    def _answering(self) -> ASGIApp:
        if self._inner is None:
            try:
                origins = self._config().cors_origins
            except VeraError:  # the route says what is wrong with the settings
                return self._app
            self._inner = self._app
            if origins:
                self._inner = CORSMiddleware(
                    self._app, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=SHOWN
                )
        return self._inner
