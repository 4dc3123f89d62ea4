"""What stands around every route: access, the limit on bodies, and errors as problem documents.

It belongs to the routes and not to the app, whose other routes are somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.access import refusal
from api.body import BodyTooLarge, limited, too_large
from api.errors import http_problem, invalid_body, invalid_request, problem_of, refused
from api.hosting import hosting_of
from vera_orchestrator.errors import VeraError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that lets in who may call, before it reads the body."""

    def get_route_handler(self) -> Handler:
        """Return the handler of FastAPI with the guard around it."""
        inner = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                config = hosting_of(request.app).orchestrator.config
                refused_for = refusal(request, config)
                if refused_for is not None:
                    return refused(refused_for)
                return await _answer(inner, request, config.max_body_bytes)
            except VeraError as error:
                return problem_of(error)

        return guarded


async def _answer(inner: Handler, request: Request, limit: int) -> Response:
    try:
        return await inner(limited(request, limit))
    except RequestValidationError as error:
        return invalid_request(error)
    except HTTPException as error:
        if isinstance(error.__cause__, BodyTooLarge):
            return too_large(limit)
        if error.__cause__ is not None and error.status_code == 400:
            return invalid_body("the body cannot be read as JSON.")  # not UTF-8, nested too deeply, a number too long
        return http_problem(error)
