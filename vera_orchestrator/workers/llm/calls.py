"""From a task's payload to a call: pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import CognitionPayload, LLMPayload, parse_payload
from vera_orchestrator.workers.llm.bounds import take_output_limit
from vera_orchestrator.workers.llm.conversation import Message, Role, TextPart
from vera_orchestrator.workers.llm.forms import EmbeddingCall, LLMCall
from vera_orchestrator.workers.llm.messages import mapping, read_messages, read_tool_choice, read_tools

THINKING = (
    "You are the background thinking of an assistant. Say briefly what is worth noticing, checking or doing next."
)


def read_payload(task: Task) -> LLMPayload:
    """Return what a task asks a model; raises InvalidPayload, naming the field.

    A background_cognition task becomes a prompt; fields such as `model` or `system` beside its own are kept.
    """
    payload = task.payload
    if task.type == TaskType.BACKGROUND_COGNITION:
        cognition = parse_payload(task.type, CognitionPayload, payload)
        payload = {"system": THINKING, **(cognition.model_extra or {}), "prompt": cognition_prompt(cognition)}
    return parse_payload(TaskType.LLM_REQUEST, LLMPayload, payload)


def with_optional(payload: LLMPayload, known: frozenset[str] | None) -> LLMPayload:
    """Return a payload with those of its optional fields that a provider knows (None: all) among its own."""
    if payload.optional is None:
        return payload
    taken = {name: value for name, value in payload.optional.items() if known is None or name in known}
    return payload.model_copy(update={**taken, "optional": None})


def build_call(payload: LLMPayload, model: str) -> LLMCall:
    """Return the call; a prompt follows the messages as one of the user's. Raises InvalidPayload, naming the field."""
    messages = read_messages(payload.messages or ())
    if payload.prompt is not None:
        messages = (*messages, Message(role=Role.USER, parts=(TextPart(text=payload.prompt),)))
    extra = dict(payload.model_extra or {})
    max_tokens = take_output_limit(payload.max_tokens, extra)
    schema: Mapping[str, Any] | None = payload.json_schema
    asked = mapping(extra.get("response_format"))
    if schema is None and asked is not None:
        schema = _schema_of(asked)
        del extra["response_format"]
    return LLMCall(
        messages=messages,
        model=model,
        system=payload.system,
        temperature=payload.temperature,
        max_tokens=max_tokens,
        stop=(payload.stop,) if isinstance(payload.stop, str) else tuple(payload.stop or ()),
        json_schema=schema,
        tools=read_tools(payload.tools),
        tool_choice=read_tool_choice(payload.tool_choice),
        extra=extra,
    )


def build_embedding(payload: LLMPayload, model: str) -> EmbeddingCall:
    """Return the call of a payload of the kind `embedding`."""
    given = payload.input or ()
    return EmbeddingCall(
        inputs=(given,) if isinstance(given, str) else tuple(given),
        model=model,
        dimensions=payload.dimensions,
        extra=payload.model_extra or {},
    )


def with_system(call: LLMCall) -> tuple[Message, ...]:
    """Return the messages with the system prompt as the first one, for providers that take it there."""
    if call.system is None:
        return call.messages
    return (Message(role=Role.SYSTEM, parts=(TextPart(text=call.system),)), *call.messages)


def _schema_of(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of OpenAI's form of asking for one."""
    kind, told = response_format.get("type"), mapping(response_format.get("json_schema"))
    schema = mapping(told.get("schema")) if told else None
    if kind == "json_schema" and schema is not None:
        return schema
    if kind == "json_object":
        return {}
    if kind == "text":
        return None
    raise InvalidPayload(
        "Not a form of answers.", field="payload.response_format", remedy="Give json_schema in its place."
    )


def cognition_prompt(payload: CognitionPayload) -> str:
    """Return the prompt of a background_cognition task: a section for each field that is given."""
    sections: list[str] = []
    if payload.focus:
        sections.append(f"Focus: {payload.focus}")
    if payload.latest_conversation:
        sections.append(f"Latest conversation:\n{payload.latest_conversation}")
    if payload.focus_board:
        sections.append(f"Focus board:\n{json.dumps(payload.focus_board, ensure_ascii=False, indent=2)}")
    return "\n\n".join(sections) or "There is no focus yet. Suggest one."
