"""From a request in OpenAI's shape to a task: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from api.openai.bodies import ChatRequest, EmbeddingRequest, Request
from BackgroundCognition.orchestrator import Task, TaskType
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.payloads import LLMPayload

AUTO = "auto"
CLASSES = (AUTO, "fast", "deep")
"""Names that always mean something: where the settings do not say what, whatever the router finds best."""
TAKEN = frozenset(LLMPayload.model_fields)
UNSUPPORTED: Mapping[str, str] = {
    "functions": "Use tools.",
    "function_call": "Use tool_choice.",
    "logprobs": "Leave it out.",
    "top_logprobs": "Leave it out.",
    "audio": "Leave it out.",
}
GOES_ANYWAY: Mapping[str, Any] = {"logprobs": False, "top_logprobs": 0, "modalities": ["text"]}
"""Values that ask for nothing."""
TEXT_FORMAT = {"type": "text"}


def chat_task(body: ChatRequest, classes: Collection[str], *, stream: bool) -> Task:
    """Return the task of a conversation; `classes` are those of the settings. Raises InvalidValue."""
    payload: dict[str, Any] = {
        "messages": [_without_nulls(message) for message in body.messages],
        "temperature": body.temperature,
        "max_tokens": _limit(body),
        "stop": body.stop,
        "response_format": None if body.response_format == TEXT_FORMAT else body.response_format,
        "tools": body.tools or None,
        "tool_choice": body.tool_choice,
        "stream": stream or None,
        "cache": body.cache or None,
    }
    return task_of(body.model, payload, further_of(body), classes)


def embedding_task(body: EmbeddingRequest, classes: Collection[str]) -> Task:
    """Return the task of texts to turn into vectors. Raises InvalidValue."""
    payload = {"kind": "embedding", "input": body.input, "dimensions": body.dimensions}
    return task_of(body.model, payload, further_of(body), classes)


def model_of(name: str, classes: Collection[str]) -> str | None:
    """Return the model that a task names, None where any will do."""
    return None if name in CLASSES and name not in classes else name


def task_of(model: str, asked: Mapping[str, Any], optional: Mapping[str, Any], classes: Collection[str]) -> Task:
    """Return the task of a request, without what was not given; `optional` goes to providers that know it."""
    payload = {"model": model_of(model, classes), **asked, "optional": dict(optional) or None}
    given = {name: value for name, value in payload.items() if value is not None}
    return Task(type=TaskType.LLM_REQUEST, payload=given)


def further_of(body: Request) -> dict[str, Any]:
    """Return the fields of a request that only a provider may know. Raises InvalidValue for what is not supported."""
    further: dict[str, Any] = {}
    for name, value in (body.model_extra or {}).items():
        if value is None or (name in GOES_ANYWAY and value == GOES_ANYWAY[name]):
            continue
        if name in UNSUPPORTED or name in TAKEN:
            raise InvalidValue(
                "It is not supported here.", field=name, remedy=UNSUPPORTED.get(name, "See /docs for the fields.")
            )
        further[name] = value
    return further


def _limit(body: ChatRequest) -> int | None:
    limit, older = body.max_completion_tokens, body.max_tokens
    if limit is not None and older is not None and limit != older:
        raise InvalidValue("It differs from max_tokens.", field="max_completion_tokens", remedy="Give one of them.")
    return limit or older


def _without_nulls(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without what says nothing; clients repeat messages of the assistant with all their fields."""
    return {name: value for name, value in message.items() if value is not None}
