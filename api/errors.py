"""Errors as problem documents (RFC 9457), each with the field at fault and the remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.access import Refusal
from api.responses import Json
from vera_orchestrator.errors import VeraError

PROBLEM_TYPE = "urn:vera-orchestrator:problem:"
NOT_JSON = "Send a JSON object with the header Content-Type: application/json."


class HeadersTooLarge(VeraError):
    """Headers and query above the limit."""

    http_status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"headers and query have more than {limit:,} bytes.",
            field="headers",
            remedy="Send less, or raise max_header_bytes (VERA_MAX_HEADER_BYTES) on the server.",
        )


KINDS_OF_VALUE = frozenset({"str", "int", "float", "bool", "datetime"})
REMEDIES = {
    "missing": "Add it to the {place}.",
    "extra_forbidden": "Correct its name, or leave it out of the {place}; /docs shows what there is.",
}


class Problem(Json):
    """An error as the body of an answer."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        content = {
            "type": PROBLEM_TYPE + name,
            "title": name.replace("-", " ").capitalize(),
            "status": status,
            "detail": detail,
            "field": field,
            "remedy": remedy,
        }
        super().__init__(content, status_code=status, headers=headers)


def problem_of(error: VeraError) -> Problem:
    """Return the problem for one of our errors."""
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else None
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    return Problem(error.http_status, name, error.message, field=error.field, remedy=error.remedy, headers=headers)


def invalid_request(error: RequestValidationError) -> Problem:
    """Return the problem for a request that does not fit; the values that were sent are not repeated."""
    errors: Sequence[Mapping[str, Any]] = error.errors()
    first = errors[0]
    place, *path = first["loc"]
    if first["type"] == "json_invalid":
        return invalid_body(f"the body is not JSON: {first['ctx']['error']} at character {path[0]}.")
    if not path:
        return invalid_body("the body is missing or is not a JSON object.")
    others = f" There are {len(errors) - 1} more faults." if len(errors) > 1 else ""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        f"{first['msg']}.{others}",
        field=".".join(_readable(path)),
        remedy=REMEDIES.get(first["type"], "Correct it in the {place}.").format(place=place),
    )


def _readable(path: Sequence[int | str]) -> list[str]:
    """Return where a fault is, without pydantic's name for the kind of value that was tried last."""
    names = [str(part) for part in path]
    return names[:-1] if len(names) > 1 and ("[" in names[-1] or names[-1] in KINDS_OF_VALUE) else names


def invalid_body(detail: str) -> Problem:
    """Return the problem for a body that cannot be read."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-body", detail, field="body", remedy=NOT_JSON)


def refused(refusal: Refusal) -> Problem:
    """Return the problem for a caller that may not go on."""
    return Problem(
        refusal.status,
        refusal.name,
        refusal.reason,
        field="Authorization",
        remedy=refusal.remedy,
        headers={"WWW-Authenticate": refusal.challenge},
    )


def http_problem(error: HTTPException) -> Problem:
    """Return the problem for an error of the framework's, such as an unknown path."""
    status = HTTPStatus(error.status_code)
    name = status.phrase.lower().replace(" ", "-")
    return Problem(status, name, f"{error.detail}.", remedy="See /docs for what there is.", headers=error.headers)
