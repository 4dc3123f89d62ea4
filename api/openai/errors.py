"""Errors as OpenAI's API has them: {error: {message, type, param, code}}."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.errors import PROBLEM_TYPE, Problem
from api.guard import GuardedRoute, Handler
from api.responses import Json
from BackgroundCognition.orchestrator import TaskResult
from vera_orchestrator.errors import VeraError

INVALID = "invalid_request_error"
TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CODES: Mapping[str, str] = {
    "context-too-long": "context_length_exceeded",
    "key-needed": "invalid_api_key",
    "key-not-valid": "invalid_api_key",
    "limit-reached": "rate_limit_exceeded",
    "queue-full": "rate_limit_exceeded",
    "rate-exceeded": "rate_limit_exceeded",
}
STATUSES: Mapping[int, int] = {422: 400, 500: 502}
"""OpenAI answers 400 to all that does not fit; what failed at a provider is the gateway's 502."""
_FIELD = re.compile(r"payload\.([\w.]+): ", re.ASCII)


class ErrorBody(BaseModel):
    """An error, as OpenAI's clients read it."""

    class Inner(BaseModel):
        """What is wrong."""

        message: str
        type: str
        param: str | None = None
        code: str | None = None

    error: Inner


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "A field is missing, does not fit or is not supported."},
    401: {"model": ErrorBody, "description": "A key is needed."},
    403: {"model": ErrorBody, "description": "The key does not allow it, or the provider does not."},
    404: {"model": ErrorBody, "description": "There is no such model."},
    409: {"model": ErrorBody, "description": "The task was cancelled."},
    413: {"model": ErrorBody, "description": "The body or the answer is too large."},
    429: {"model": ErrorBody, "description": "A limit is reached; Retry-After says when to come again."},
    502: {"model": ErrorBody, "description": "The provider failed, after all retries."},
    503: {"model": ErrorBody, "description": "No worker can answer now."},
    504: {"model": ErrorBody, "description": "The provider did not answer in time."},
}


class OpenAIRoute(GuardedRoute):
    """A guarded route that says what is wrong in OpenAI's words."""

    def get_route_handler(self) -> Handler:
        """Return the handler of the guarded route with its problems translated."""
        inner = super().get_route_handler()

        async def translated(request: Request) -> Response:
            response = await inner(request)
            return of_problem(response) if isinstance(response, Problem) else response

        return translated


def of_problem(problem: Problem) -> Json:
    """Return the error for a problem."""
    told: dict[str, Any] = orjson.loads(bytes(problem.body))
    name = str(told["type"]).removeprefix(PROBLEM_TYPE)
    kept = ("allow", "retry-after", "www-authenticate", "connection")
    headers = {key: problem.headers[key] for key in kept if key in problem.headers}
    message = f"{told['detail']} {told['remedy'] or ''}".rstrip()
    return error(told["status"], name, message, field=told["field"], headers=headers)


def of_result(result: TaskResult, headers: Mapping[str, str]) -> Json:
    """Return the error for a task that failed; its retries were made, so the client is told to make no more."""
    kind, message, field = facts_of(result)
    return error(kind.http_status, name_of(kind), message, field=field, headers={**headers, "x-should-retry": "false"})


def of_stream(result: TaskResult) -> dict[str, Any]:
    """Return the error for a stream that has begun and cannot go on."""
    kind, message, field = facts_of(result)
    return content(STATUSES.get(kind.http_status, kind.http_status), name_of(kind), message, field)


def facts_of(result: TaskResult) -> tuple[type[VeraError], str, str | None]:
    """Return which of our errors a failed task ended with, its text, and the field that it names."""
    kind = next((one for one in _tree(VeraError) if one.__name__ == result.error_type), VeraError)
    message = result.error or "The task failed."
    found = _FIELD.match(message)
    return kind, message, found[1] if found else None


def error(
    status: int, name: str, message: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Json:
    """Return an error as an answer; `name` is that of a problem, `status` its status."""
    status = STATUSES.get(status, status)
    return Json(content(status, name, message, field), status_code=status, headers=headers)


def content(status: int, name: str, message: str, field: str | None) -> dict[str, Any]:
    """Return an error as the body of an answer."""
    param = None if field is None else field.removeprefix("payload.").removeprefix("body.")
    usual = "server_error" if status >= 500 else INVALID
    code = "model_not_found" if name == "not-found" and param == "model" else CODES.get(name, name.replace("-", "_"))
    return {"error": {"message": message, "type": TYPES.get(status, usual), "param": param, "code": code}}


def name_of(kind: type[VeraError]) -> str:
    """Return the name of one of our errors as problems have it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def _tree(root: type[VeraError]) -> Iterator[type[VeraError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _tree(kind)
