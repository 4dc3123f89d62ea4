"""Ollama's chat, to and from the normal form: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ollama

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.calls import with_system
from vera_orchestrator.workers.llm.conversation import (
    ImagePart,
    Message,
    NativePart,
    NativeTool,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    bytes_of,
    new_call_id,
)
from vera_orchestrator.workers.llm.forms import EmbeddingCall, FinishReason, LLMAnswer, LLMCall

ARGUMENTS = frozenset({"format", "keep_alive", "think"})
EMBEDDING_ARGUMENTS = frozenset({"keep_alive", "truncate"})
FINISH = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
TIMES = ("total_duration", "load_duration", "prompt_eval_count", "eval_count")


def arguments_of(call: LLMCall) -> dict[str, Any]:
    """Return a call as the client's arguments.

    Fields of `extra` that are no arguments of a chat are options of the model, such as `num_ctx` or `seed`. Raises
    InvalidPayload for what the server has no form for.
    """
    named = {name: value for name, value in call.extra.items() if name in ARGUMENTS}
    options = options_of(call.extra, ARGUMENTS)
    if call.temperature is not None:
        options["temperature"] = call.temperature
    if call.max_tokens is not None:
        options["num_predict"] = call.max_tokens
    if call.stop:
        options["stop"] = list(call.stop)
    if call.json_schema is not None:
        named["format"] = dict(call.json_schema) or "json"
    tools = _offered(call.tools, call.tool_choice)
    if tools:
        named["tools"] = tools
    return {"model": call.model, "messages": _messages(with_system(call)), "options": options, **named}


def embedding_arguments(call: EmbeddingCall) -> dict[str, Any]:
    """Return a call for embeddings as the client's arguments; fields of `extra` are treated as in a chat."""
    named = {name: value for name, value in call.extra.items() if name in EMBEDDING_ARGUMENTS}
    if call.dimensions is not None:
        named["dimensions"] = call.dimensions
    options = options_of(call.extra, EMBEDDING_ARGUMENTS)
    return {"model": call.model, "input": list(call.inputs), "options": options, **named}


def options_of(extra: Mapping[str, Any], arguments: frozenset[str]) -> dict[str, Any]:
    """Return the options of the model."""
    given = extra.get("options")
    options: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType]
    return options | {name: value for name, value in extra.items() if name not in arguments and name != "options"}


def calls_of(message: ollama.Message) -> tuple[ToolCall, ...]:
    """Return what tools are called; the server gives the calls no ids."""
    functions = [call.function for call in message.tool_calls or ()]
    return tuple(ToolCall(id=new_call_id(), name=one.name, arguments=dict(one.arguments)) for one in functions)


def usage_of(answer: ollama.ChatResponse) -> Usage | None:
    """Return the counts; a prompt that was wholly in the cache is not counted at all."""
    if answer.eval_count is None:
        return None
    return Usage(input=answer.prompt_eval_count or 0, output=answer.eval_count)


def answer_of(call: LLMCall, last: ollama.ChatResponse, text: str, calls: Sequence[ToolCall]) -> LLMAnswer:
    """Return the whole answer; `last` is all of it, or the last piece. The server's times are in nanoseconds."""
    reason = FINISH.get(last.done_reason or "", FinishReason.OTHER)
    return LLMAnswer(
        text=text,
        model=last.model or call.model,
        tool_calls=tuple(calls),
        usage=usage_of(last),
        finish_reason=FinishReason.TOOL_CALLS if calls and reason is FinishReason.STOP else reason,
        native_finish_reason=last.done_reason,
        metrics={name: getattr(last, name) for name in TIMES},
    )


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [_message(message, f"payload.messages.{position}") for position, message in enumerate(messages)]


def _message(message: Message, field: str) -> dict[str, Any]:
    if any(isinstance(part, NativePart) for part in message.parts):
        raise InvalidPayload("Ollama takes text and images only.", field=f"{field}.content", remedy="Give these.")
    value: dict[str, Any] = {"role": message.role.value, "content": message.text}
    images = [_image(part, field) for part in message.parts if isinstance(part, ImagePart)]
    if images:
        value["images"] = images
    if message.tool_calls:
        value["tool_calls"] = [
            {"function": {"name": call.name, "arguments": dict(call.arguments)}} for call in message.tool_calls
        ]
    if message.role is Role.TOOL:
        value["tool_name"] = message.tool_name
    return value


def _image(part: ImagePart, field: str) -> ollama.Image:
    if part.data is None:
        raise InvalidPayload("Ollama fetches no images.", field=f"{field}.content", remedy="Give its bytes in base64.")
    # as bytes: the client takes a text that names a file for its name, and would send that file
    return ollama.Image(value=bytes_of(part.data, f"{field}.content"))


def _offered(tools: Sequence[Tool | NativeTool], choice: ToolChoice | None) -> list[dict[str, Any]]:
    if choice is not None and choice.mode is ToolMode.NONE:
        return []
    if choice is not None and choice.mode is ToolMode.REQUIRED:
        raise InvalidPayload(
            "Ollama leaves it to the model which tools it calls.", field="payload.tool_choice", remedy="Give auto."
        )
    if any(isinstance(tool, NativeTool) for tool in tools):
        raise InvalidPayload("Ollama runs no tools.", field="payload.tools", remedy="Describe functions.")
    return [_tool(tool) for tool in tools if isinstance(tool, Tool)]


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
