"""OpenAI's chat completions, to and from the normal form: pure."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.calls import with_system
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
    new_call_id,
)
from vera_orchestrator.workers.llm.forms import EmbeddingCall, FinishReason, LLMCall
from vera_orchestrator.workers.llm.messages import arguments_of
from vera_orchestrator.workers.llm.wire import Lenient

FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class Function(Lenient):
    """A function that is called; a piece of it in a stream."""

    name: str | None = None
    arguments: str | None = None


class Call(Lenient):
    """A call of a tool; a piece of it in a stream."""

    index: int = 0
    id: str | None = None
    function: Function | None = None


class ChatMessage(Lenient):
    """The part of a message that is used; a piece of it in a stream."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None


class Choice(Lenient):
    """One alternative."""

    message: ChatMessage
    finish_reason: str | None = None


class Details(Lenient):
    """Parts of a count."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class ChatUsage(Lenient):
    """Tokens, as the provider counts them: those of a cache in the prompt, the reasoning in the completion."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None

    def normal(self) -> Usage | None:
        """Return the counts in the normal form; None where one of the totals is missing."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        read, made = self.prompt_tokens_details or Details(), self.completion_tokens_details or Details()
        return Usage.from_totals(
            self.prompt_tokens,
            self.completion_tokens,
            cache_read=read.cached_tokens or 0,
            cache_write=read.cache_write_tokens or 0,
            reasoning=made.reasoning_tokens or 0,
        )


class Completion(Lenient):
    """The part of a chat completion that is used; look-alikes leave out much of the rest."""

    choices: list[Choice] = Field(min_length=1)
    model: str | None = None
    usage: ChatUsage | None = None


class ChoicePiece(Lenient):
    """A piece of an alternative."""

    delta: ChatMessage | None = None
    finish_reason: str | None = None


class CompletionPiece(Lenient):
    """An event of a stream."""

    choices: list[ChoicePiece] | None = None
    model: str | None = None
    usage: ChatUsage | None = None


class Vector(Lenient):
    """A vector and the place of its text."""

    embedding: list[float]
    index: int = 0


class Vectors(Lenient):
    """Embeddings."""

    data: list[Vector]
    model: str | None = None
    usage: ChatUsage | None = None


def request_body(call: LLMCall, *, own_address: bool) -> dict[str, Any]:
    """Return a call as OpenAI's request, `extra` aside.

    OpenAI itself counts thinking into the limit and refuses the old name for newer models; others know only that.
    """
    limit = "max_completion_tokens" if own_address else "max_tokens"
    body: dict[str, Any] = {
        "temperature": call.temperature,
        limit: call.max_tokens,
        "stop": list(call.stop) or None,
        "response_format": None if call.json_schema is None else _response_format(dict(call.json_schema)),
        "tools": [_tool(tool) for tool in call.tools] or None,
        "tool_choice": _choice(call.tool_choice),
    }
    given = {name: value for name, value in body.items() if value is not None}
    return {"model": call.model, "messages": [_message(message) for message in with_system(call)], **given}


def embedding_body(call: EmbeddingCall) -> dict[str, Any]:
    """Return a call as OpenAI's request for embeddings, `extra` aside; look-alikes know no base64."""
    dimensions = {} if call.dimensions is None else {"dimensions": call.dimensions}
    return {"model": call.model, "input": list(call.inputs), "encoding_format": "float", **dimensions}


def text_of(message: ChatMessage) -> str:
    """Return what a message, or a piece of one, says."""
    return message.content or message.refusal or ""


def finish_of(native: str | None, message: ChatMessage | None = None) -> FinishReason:
    """Return why an answer ended; a refusal counts as the filter's."""
    if message is not None and message.refusal and not message.content:
        return FinishReason.CONTENT_FILTER
    return FINISH.get(native or "", FinishReason.OTHER)


def calls_of(calls: list[Call] | None) -> tuple[ToolCall, ...]:
    """Return the calls of a whole message; raises ValueError for arguments that are no JSON object."""
    return tuple(call_of(call) for call in calls or ())


def call_of(call: Call) -> ToolCall:
    """Return a whole call; raises ValueError for arguments that are no JSON object."""
    function = call.function or Function()
    arguments = arguments_of(function.arguments)
    if arguments is None or not function.name:
        raise ValueError("not a call of a function")
    return ToolCall(id=call.id or new_call_id(), name=function.name, arguments=arguments)


def joined(begun: Call | None, piece: Call) -> Call:
    """Return a call that has begun with its next piece."""
    if begun is None:
        return piece
    old, new = begun.function or Function(), piece.function or Function()
    function = Function(name=old.name or new.name, arguments=(old.arguments or "") + (new.arguments or ""))
    return Call(index=begun.index, id=begun.id or piece.id, function=function)


def _message(message: Message) -> dict[str, Any]:
    value: dict[str, Any] = {"role": message.role.value, **message.extra}
    value["content"] = _content(message)
    if message.role is Role.TOOL:
        value["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        value["tool_calls"] = [_called(call) for call in message.tool_calls]
    return value


def _content(message: Message) -> str | list[dict[str, Any]] | None:
    if not message.parts:
        return None if message.tool_calls else ""
    if all(isinstance(part, TextPart) and not part.extra for part in message.parts) and len(message.parts) == 1:
        return message.text
    return [_part(part) for part in message.parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, **part.extra}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.url or f"data:{part.media_type};base64,{part.data}"}}
        case NativePart():
            return dict(part.value)


def _called(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id, "type": "function", "function": function}


def _tool(tool: Tool | NativeTool) -> dict[str, Any]:
    if isinstance(tool, NativeTool):
        return dict(tool.value)
    function: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice | None) -> Any:
    if choice is None or choice.name is None:
        return choice and choice.mode.value
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": is_closed(schema)}}


def is_closed(schema: Any) -> bool:
    """Return whether every object of a schema names all its fields as required, as OpenAI's strict mode asks."""
    if isinstance(schema, list):
        return all(is_closed(item) for item in schema)  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return True
    fields: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
    if fields.get("type") == "object":
        names: Any = fields.get("properties") or {}
        if fields.get("additionalProperties") is not False or set(names) != set(fields.get("required") or ()):
            return False
    return all(is_closed(item) for item in fields.values())
