"""Tasks from plain JSON objects, as flows, batches and HTTP clients send them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import Task, TaskRequirements

_SETTABLE = frozenset(
    field.name
    for field in dataclasses.fields(Task)
    if field.name
    not in {
        "status",
        "status_reason",
        "result",
        "submitted_at",
        "started_at",
        "completed_at",
        "retry_count",
        "batch_id",
        "caller",
        "worker_id",
        "on_complete",
        "on_error",
        "on_progress",
    }
)
SHOWN = frozenset({"summary"})
"""What a shown task has beside its fields."""
_TIMES = ("scheduled_at", "expires_at")
_LISTS = ("tags", "depends_on", "depends_on_any")
_NUMBERS = ("max_retries", "retry_delay_seconds", "timeout_seconds", "max_wait_seconds")


def task_from_json(fields: Mapping[str, Any]) -> Task:
    """Return the task that a JSON object describes; what only the orchestrator sets is left out.

    Raises InvalidPayload for an unknown field and InvalidValue for a value that does not fit, naming the field.
    """
    readable = {*(field.name for field in dataclasses.fields(Task)), *SHOWN}
    unknown = sorted(set(fields) - readable)
    if unknown:
        raise InvalidPayload(
            "a task has no such field.", field=unknown[0], remedy=f"Use {', '.join(sorted(_SETTABLE))}."
        )
    given = {name: value for name, value in fields.items() if name in _SETTABLE and value is not None}
    for name in _TIMES:
        if name in given:
            given[name] = _time(name, given[name])
    for name in _LISTS:
        _require(name, given, list)
    for name in _NUMBERS:
        _require(name, given, int | float)
    _require("metadata", given, dict)
    requirements: object = given.get("requirements")
    if isinstance(requirements, Mapping):
        given["requirements"] = _requirements(requirements)  # pyright: ignore[reportUnknownArgumentType]
    return Task(**given)


def _time(name: str, value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidValue(
            f"{value!r} is not a time.", field=name, remedy="Use ISO 8601, such as 2026-01-31T12:00:00Z."
        ) from None


def _require(name: str, given: Mapping[str, Any], kind: Any) -> None:
    if name in given and (not isinstance(given[name], kind) or isinstance(given[name], bool)):
        raise InvalidValue(f"{given[name]!r} does not fit.", field=name, remedy=f"Give {_words(kind)}.")


def _words(kind: object) -> str:
    if kind is list:
        return "a list"
    return "an object" if kind is dict else "a number"


def _requirements(fields: Mapping[str, Any]) -> TaskRequirements:
    try:
        return TaskRequirements(**fields)
    except TypeError:
        known = ", ".join(field.name for field in dataclasses.fields(TaskRequirements))
        raise InvalidPayload("unknown requirement.", field="requirements", remedy=f"Use {known}.") from None
