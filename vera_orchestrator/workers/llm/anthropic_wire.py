"""Anthropic's messages, to and from the normal form: pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pydantic import Field

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
)
from vera_orchestrator.workers.llm.forms import FinishReason, LLMCall, system_parts
from vera_orchestrator.workers.llm.wire import Lenient

DEFAULT_MAX_TOKENS = 4096  # the protocol wants a number
FINISH = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
MODES = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "any"}


class Block(Lenient):
    """One part of an answer; text and calls of tools are used."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = Field(default_factory=dict[str, Any])


class Details(Lenient):
    """Parts of the output."""

    thinking_tokens: int | None = None


class MessageUsage(Lenient):
    """Tokens, as the provider counts them; `input_tokens` leaves out those that a cache had or was given."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: Details | None = None

    def normal(self) -> Usage | None:
        """Return the counts in the normal form; None where input or output is missing."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        details = self.output_tokens_details or Details()
        reasoning = min(details.thinking_tokens or 0, self.output_tokens)
        return Usage(
            input=self.input_tokens,
            output=self.output_tokens - reasoning,
            cache_read=self.cache_read_input_tokens or 0,
            cache_write=self.cache_creation_input_tokens or 0,
            reasoning=reasoning,
        )

    def updated(self, later: MessageUsage) -> MessageUsage:
        """Return the counts with those that came later in their place."""
        return self.model_copy(update={name: getattr(later, name) for name in later.given()})

    def given(self) -> list[str]:
        """Return the names of the counts that are given."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class AnsweredMessage(Lenient):
    """The part of an answer that is used."""

    content: list[Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: MessageUsage | None = None


class Delta(Lenient):
    """What an event adds."""

    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Event(Lenient):
    """An event of a stream."""

    type: str
    index: int = 0
    message: AnsweredMessage | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: MessageUsage | None = None


def request_body(call: LLMCall) -> dict[str, Any]:
    """Return a call as Anthropic's request, without `extra` and the temperature. Raises InvalidPayload."""
    system = system_of(call)
    body: dict[str, Any] = {
        "stop_sequences": list(call.stop) or None,
        "tools": [_tool(tool) for tool in call.tools] or None,
        "tool_choice": _choice(call.tool_choice),
        "output_config": _output_config(call),
        "system": system or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return {
        "model": call.model,
        "max_tokens": call.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _messages(call.messages),
        **given,
    }


def system_of(call: LLMCall) -> str | list[dict[str, Any]]:
    """Return every system prompt of a call, in order: the protocol has one place for all of them.

    Text only gives a text, as some servers know no other form.
    """
    parts = system_parts(call)
    if all(isinstance(part, TextPart) and not part.extra for part in parts):
        return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))
    return [_part(part) for part in parts]


def text_of(blocks: Sequence[Block]) -> str:
    """Return what is said."""
    return "".join(block.text for block in blocks if block.type == "text")


def calls_of(blocks: Sequence[Block]) -> tuple[ToolCall, ...]:
    """Return what tools are called; what the provider calls by itself is not among it."""
    used = [block for block in blocks if block.type == "tool_use"]
    return tuple(ToolCall(id=block.id, name=block.name, arguments=block.input) for block in used)


def finish_of(native: str | None) -> FinishReason:
    """Return why an answer ended."""
    return FINISH.get(native or "", FinishReason.OTHER)


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages; results of tools are the user's, those of one turn in one message."""
    said = [message for message in messages if message.role is not Role.SYSTEM]
    value: list[dict[str, Any]] = []
    for answers, group in groupby(said, lambda message: message.role is Role.TOOL):
        if answers:
            value.append({"role": "user", "content": [_result(message) for message in group]})
        else:
            value += [{"role": message.role.value, "content": _content(message)} for message in group]
    return value


def _result(message: Message) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": _content(message)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    parts = message.parts
    if not message.tool_calls and len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].extra:
        return message.text
    blocks = [_part(part) for part in parts if not (isinstance(part, TextPart) and not part.text)]
    calls = message.tool_calls
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)} for call in calls
    ]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, **part.extra}
        case ImagePart(url=None):
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            return {"type": "image", "source": source}
        case ImagePart():
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        case NativePart():
            return dict(part.value)


def _tool(tool: Tool | NativeTool) -> dict[str, Any]:
    if isinstance(tool, NativeTool):
        return dict(tool.value)
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}


def _choice(choice: ToolChoice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {"type": MODES[choice.mode]} if choice.name is None else {"type": "tool", "name": choice.name}


def _output_config(call: LLMCall) -> dict[str, Any] | None:
    if call.json_schema is None:
        return None
    if not call.json_schema:
        raise InvalidPayload(
            "Anthropic answers in JSON only for a schema.", field="payload.json_schema", remedy="Describe the object."
        )
    return {"format": {"type": "json_schema", "schema": dict(call.json_schema)}}
