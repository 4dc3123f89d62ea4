"""How errors are described in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from api.errors import PROBLEM_TYPE

Responses = dict[int | str, dict[str, Any]]

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "An error (RFC 9457): the field at fault where there is one, and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "field", "remedy"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "field": _TEXT_OR_NULL,
        "remedy": _TEXT_OR_NULL,
    },
}
"""Written out at each place: in somebody else's app there is no common one to refer to."""


def problem(status: int, name: str, description: str, *, field: str | None = None, **headers: str) -> Responses:
    """Return the description of an error; `headers` are those that come with it, and what each says."""
    example = {
        "type": PROBLEM_TYPE + name,
        "title": name.replace("-", " ").capitalize(),
        "status": status,
        "detail": description,
        "field": field,
        "remedy": None,
    }
    described: dict[str, Any] = {
        "description": description,
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA, "example": example}},
    }
    if headers:
        described["headers"] = {
            title.replace("_", "-"): {"description": text, "schema": _TEXT} for title, text in headers.items()
        }
    return {status: described}


EVERYWHERE = (
    problem(400, "invalid-value", "A value outside its set.", field="type")
    | problem(401, "key-needed", "A key is needed.", field="Authorization", WWW_Authenticate="How to give it.")
    | problem(403, "scope-needed", "The key does not allow this.", field="Authorization")
    | problem(422, "invalid-request", "Something is missing or does not fit.", field="payload")
    | problem(431, "headers-too-large", "The headers are larger than the server allows.")
    | problem(503, "orchestrator-stopped", "The orchestrator or its journal does not run.")
)
MISSING = problem(404, "not-found", "There is none with this id, or it is somebody else's.")
CONFLICT = problem(409, "conflict", "It does not fit what is there already.")
TOO_LARGE = problem(413, "body-too-large", "The body is larger than the server allows.", field="body")
TOO_MANY = problem(
    429, "queue-full", "Too many tasks wait, or come from this key.", Retry_After="Seconds after which to try again."
)
UNREACHABLE = problem(502, "node-unreachable", "The node cannot be reached.", field="remote_url")
