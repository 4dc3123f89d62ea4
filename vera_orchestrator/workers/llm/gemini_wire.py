"""Gemini's contents, to and from the normal form: pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.conversation import (
    ImagePart,
    Message,
    NativePart,
    NativeTool,
    Part,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    bytes_of,
    new_call_id,
)
from vera_orchestrator.workers.llm.forms import EmbeddingCall, FinishReason, LLMCall, system_parts
from vera_orchestrator.workers.llm.wire import Lenient

FINISH = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR"),
        FinishReason.CONTENT_FILTER,
    ),
}
MODES = {ToolMode.AUTO: "AUTO", ToolMode.NONE: "NONE", ToolMode.REQUIRED: "ANY"}
CONNECTION = ("http_options", "httpOptions")


class LenientCamel(Lenient):
    """The same with Gemini's names of fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, val_json_bytes="base64")


class Function(LenientCamel):
    """A function that is called."""

    id: str | None = None
    name: str
    args: dict[str, Any] | None = None


class AnswerPart(LenientCamel):
    """A part of an answer; thoughts are not part of the text."""

    text: str | None = None
    thought: bool | None = None
    function_call: Function | None = None
    thought_signature: bytes | None = None


class Content(LenientCamel):
    """What is said."""

    parts: list[AnswerPart] | None = None


class Candidate(LenientCamel):
    """One alternative."""

    content: Content | None = None
    finish_reason: str | None = None


class Feedback(LenientCamel):
    """What the provider says of a prompt that it does not answer."""

    block_reason: str | None = None


class Counts(LenientCamel):
    """Tokens, as the provider counts them: those of a cache in the prompt, thoughts beside the candidates."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None

    def normal(self) -> Usage | None:
        """Return the counts in the normal form; None where the prompt was not counted."""
        if self.prompt_token_count is None:
            return None
        thoughts = self.thoughts_token_count or 0
        return Usage.from_totals(
            self.prompt_token_count + (self.tool_use_prompt_token_count or 0),
            (self.candidates_token_count or 0) + thoughts,
            cache_read=self.cached_content_token_count or 0,
            reasoning=thoughts,
        )


class Generated(LenientCamel):
    """The part of an answer, or of a piece of one, that is used."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    model_version: str | None = None
    response_id: str | None = None
    usage_metadata: Counts | None = None

    @property
    def parts(self) -> list[AnswerPart]:
        """The parts of the first candidate."""
        first = self.candidates[0] if self.candidates else Candidate()
        return (first.content.parts if first.content else None) or []

    @property
    def finish(self) -> str | None:
        """Why the answer, or the refusal to give one, ended."""
        if self.candidates:
            return self.candidates[0].finish_reason
        return self.prompt_feedback.block_reason if self.prompt_feedback else None

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was refused."""
        return not self.candidates and self.finish is not None


class Vector(LenientCamel):
    """A vector."""

    values: list[float]


class Vectors(LenientCamel):
    """Embeddings, in the order of their texts."""

    embeddings: list[Vector] = Field(default_factory=list[Vector])


def contents_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation; results of tools that follow each other are one turn of the user."""
    said = [message for message in messages if message.role is not Role.SYSTEM]
    contents: list[dict[str, Any]] = []
    for answers, group in groupby(said, lambda message: message.role is Role.TOOL):
        if answers:
            contents.append({"role": "user", "parts": [_result(message) for message in group]})
        else:
            contents += [_content(message) for message in group]
    return contents


def config_of(call: LLMCall) -> dict[str, Any]:
    """Return all of a call beside the conversation; `extra` are fields of it that the client knows.

    Raises InvalidPayload for those that are about the connection: where the key goes is not a task's to say.
    """
    _check_fields(call.extra)
    system = [_part(part) for part in system_parts(call)]
    config: dict[str, Any] = {
        "system_instruction": {"parts": system} if system else None,
        "temperature": call.temperature,
        "max_output_tokens": call.max_tokens,
        "stop_sequences": list(call.stop) or None,
        "response_mime_type": None if call.json_schema is None else "application/json",
        "response_json_schema": dict(call.json_schema) if call.json_schema else None,
        "tools": _tools(call.tools) or None,
        "tool_config": _tool_config(call.tool_choice),
        "automatic_function_calling": {"disable": True},  # running tools is the caller's
        **call.extra,
    }
    return {name: value for name, value in config.items() if value is not None}


def embedding_config(call: EmbeddingCall) -> dict[str, Any]:
    """Return all of a call for embeddings beside the texts."""
    _check_fields(call.extra)
    dimensions = {} if call.dimensions is None else {"output_dimensionality": call.dimensions}
    return {**dimensions, **call.extra}


def _check_fields(extra: Mapping[str, Any]) -> None:
    for name in CONNECTION:
        if name in extra:
            raise InvalidPayload("It is not a field of a request.", field=f"payload.{name}", remedy="Leave it out.")


def text_of(parts: Sequence[AnswerPart]) -> str:
    """Return what is said aloud."""
    return "".join(part.text or "" for part in parts if not part.thought)


def calls_of(parts: Sequence[AnswerPart]) -> tuple[ToolCall, ...]:
    """Return what functions are called."""
    return tuple(_call(part.function_call, part.thought_signature) for part in parts if part.function_call)


def finish_of(native: str | None, *, calls: bool, is_blocked: bool) -> FinishReason:
    """Return why an answer ended; the provider has no word of its own for calls."""
    if is_blocked:
        return FinishReason.CONTENT_FILTER
    reason = FINISH.get(native or "", FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if calls and reason is FinishReason.STOP else reason


def _call(function: Function, signature: bytes | None) -> ToolCall:
    return ToolCall(
        id=function.id or new_call_id(),
        name=function.name,
        arguments=function.args or {},
        signature=base64.b64encode(signature).decode() if signature else None,
    )


def _content(message: Message) -> dict[str, Any]:
    role = "model" if message.role is Role.ASSISTANT else "user"
    parts = [_part(part) for part in message.parts if not (isinstance(part, TextPart) and not part.text)]
    parts += [_called(call) for call in message.tool_calls]
    return {"role": role, "parts": parts or [{"text": ""}]}


def _called(call: ToolCall) -> dict[str, Any]:
    part: dict[str, Any] = {"function_call": {"id": call.id, "name": call.name, "args": dict(call.arguments)}}
    if call.signature is not None:
        part["thought_signature"] = bytes_of(call.signature, "payload.messages.tool_calls.signature")
    return part


def _result(message: Message) -> dict[str, Any]:
    """Return the result of a function; the protocol wants an object."""
    try:
        value: Any = json.loads(message.text)
    except ValueError:
        value = message.text
    response = cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": value}
    return {"function_response": {"id": message.tool_call_id, "name": message.tool_name, "response": response}}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"text": part.text, **part.extra}
        case ImagePart(url=None):
            data = bytes_of(part.data or "", "payload.messages.content")
            return {"inline_data": {"data": data, "mime_type": part.media_type}}
        case ImagePart():
            mime_type = {"mime_type": part.media_type} if part.media_type else {}
            return {"file_data": {"file_uri": part.url, **mime_type}}
        case NativePart():
            return dict(part.value)


def _tools(tools: Sequence[Tool | NativeTool]) -> list[dict[str, Any]]:
    native = [dict(tool.value) for tool in tools if isinstance(tool, NativeTool)]
    functions = [
        {"name": tool.name, "description": tool.description, "parameters_json_schema": dict(tool.parameters)}
        for tool in tools
        if isinstance(tool, Tool)
    ]
    return [*([{"function_declarations": functions}] if functions else []), *native]


def _tool_config(choice: ToolChoice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    only = {"allowed_function_names": [choice.name]} if choice.name else {}
    return {"function_calling_config": {"mode": MODES[choice.mode], **only}}
