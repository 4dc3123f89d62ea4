"""What a client says over its WebSocket: which events it wants."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from vera_orchestrator.errors import InvalidValue

MOST_CHARACTERS = 4_096
FIELDS = ("subscribe", "unsubscribe", "batch_id", "task_id")


class Topic(StrEnum):
    """What events are about."""

    TASK = "task"
    WORKER = "worker"
    SPEND = "spend"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Topics to be told of from now on, or no longer, and to which batch or task the tasks are narrowed."""

    subscribe: frozenset[Topic] = frozenset()
    unsubscribe: frozenset[Topic] = frozenset()
    batch_id: str | None = None
    task_id: str | None = None


def wish_of(text: str | None) -> Wish:
    """Return what a message asks for; raises InvalidValue, naming the field."""
    remedy = 'Send a JSON object such as {"subscribe": ["task", "worker", "spend"]}.'
    if text is None or len(text) > MOST_CHARACTERS:
        raise InvalidValue("the message is not text of a sensible length.", remedy=remedy)
    try:
        given: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValue("the message is not JSON.", remedy=remedy) from None
    if not isinstance(given, dict):
        raise InvalidValue("the message is not a JSON object.", remedy=remedy)
    fields = cast("dict[str, Any]", given)
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown or not fields.keys() & {"subscribe", "unsubscribe"}:
        detail = f"{unknown[0]!r} is not known." if unknown else "neither subscribe nor unsubscribe is there."
        raise InvalidValue(detail, remedy=remedy)
    return Wish(
        subscribe=_topics(fields, "subscribe"),
        unsubscribe=_topics(fields, "unsubscribe"),
        batch_id=_id(fields, "batch_id"),
        task_id=_id(fields, "task_id"),
    )


def _topics(fields: dict[str, Any], name: str) -> frozenset[Topic]:
    given: object = fields.get(name, [])
    if not isinstance(given, list):
        raise InvalidValue(f"{given!r} is not a list.", field=name, remedy=f"Give a list of {', '.join(Topic)}.")
    return frozenset(_topic(name, value) for value in cast("list[object]", given))


def _topic(name: str, value: object) -> Topic:
    try:
        return Topic(str(value))
    except ValueError:
        raise InvalidValue(f"{value!r} is not a topic.", field=name, remedy=f"Use {', '.join(Topic)}.") from None


def _id(fields: dict[str, Any], name: str) -> str | None:
    given: object = fields.get(name)
    if given is None or isinstance(given, str):
        return given
    raise InvalidValue(f"{given!r} is not an id.", field=name, remedy="Give text.")
