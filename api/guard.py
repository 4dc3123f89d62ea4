"""What stands around every route: access, limits on headers and bodies, errors as problem documents, and the audit.

It belongs to the routes and not to the app, whose other routes are somebody else's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from api.access import Refusal, header_bytes, identify, lacking
from api.body import BodyTooLarge, limited, too_large
from api.callers import STATE_NAME, Needs, target_of
from api.errors import HeadersTooLarge, http_problem, invalid_body, invalid_request, problem_of, refused
from api.hosting import hosting_of
from vera_orchestrator import tracing
from vera_orchestrator.callers import Caller, Scope
from vera_orchestrator.errors import VeraError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
READING = frozenset({"GET", "HEAD", "OPTIONS"})
logger = logging.getLogger(__name__)


class GuardedRoute(APIRoute):
    """A route that lets in who may call, before it reads the body.

    What a caller needs stands in the type of one of its arguments; a route that names nothing is for managers.
    """

    def unguarded(self) -> Handler:
        """Return what answers a request that was let in: FastAPI's own handler."""
        return super().get_route_handler()

    def get_route_handler(self) -> Handler:
        """Return the handler with the guard around it."""
        inner = self.unguarded()
        needed = needed_scope(self.dependant)
        is_noted = needed is Scope.MANAGE and not (self.methods or set()) <= READING

        async def guarded(request: Request) -> Response:
            try:
                caller = await entering(request, needed)
                if isinstance(caller, Refusal):
                    response: Response = refused(caller)
                else:
                    with tracing.following(request.headers):
                        response = await _answer(inner, request)
            except VeraError as error:
                response = problem_of(error)
            if is_noted and STATE_NAME in request.scope:
                await self._note(request, response.status_code)
            return response

        return guarded

    async def _note(self, request: Request, status: int) -> None:
        caller: Caller = request.scope[STATE_NAME]
        try:
            await hosting_of(request.app).orchestrator.keys.note(caller, self.name, target_of(request), status)
        except VeraError as error:  # what was done is done
            logger.error("%s by %s is not in the audit: %s", self.name, caller.name, error)


async def entering(connection: HTTPConnection, needed: Scope | None) -> Caller | Refusal:
    """Return who comes in, or why that is refused; what comes in can be told by `caller_of`.

    Raises HeadersTooLarge, and JournalUnavailable where a key cannot be looked up.
    """
    orchestrator = hosting_of(connection.app).orchestrator
    limit = orchestrator.config.max_header_bytes
    if header_bytes(connection) > limit:
        raise HeadersTooLarge(limit)
    caller = await identify(connection, orchestrator.config, orchestrator.keys)
    if isinstance(caller, Refusal):
        return caller
    connection.scope[STATE_NAME] = caller
    return lacking(caller, needed) or caller


async def enter(websocket: WebSocket, needed: Scope) -> Caller | None:
    """Return who opens a WebSocket; None if that was refused, and has been answered."""
    try:
        caller = await entering(websocket, needed)
    except VeraError as error:
        await websocket.send_denial_response(problem_of(error))
        return None
    if isinstance(caller, Refusal):
        await websocket.send_denial_response(refused(caller))
        return None
    return caller


async def may_stay(connection: HTTPConnection, needed: Scope) -> bool:
    """Return whether who was let in would be so now: a key may have been revoked, or have expired, meanwhile."""
    try:
        return not isinstance(await entering(connection, needed), Refusal)
    except VeraError:  # the journal is away, which says nothing about the key
        return True


def needed_scope(dependant: Dependant) -> Scope | None:
    """Return the scope that a route asks for; None if it is open to every caller."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Needs):
            return dependency.call.scope
    return Scope.MANAGE


async def _answer(inner: Handler, request: Request) -> Response:
    limit = hosting_of(request.app).orchestrator.config.max_body_bytes
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
