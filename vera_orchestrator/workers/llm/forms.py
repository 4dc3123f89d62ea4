"""Calls and answers in the one form that all providers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vera_orchestrator.usage import Usage, input_bound
from vera_orchestrator.workers.llm.conversation import (
    ImagePart,
    Message,
    NativePart,
    NativeTool,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)


class FinishReason(StrEnum):
    """Why an answer ended; OTHER where the provider says something else, or nothing."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class LLMCall:
    """One call. None leaves a choice to the provider.

    `messages` may hold system messages beside `system`. `json_schema` is the schema of the answer, empty for any JSON
    object. `extra` holds fields for the provider's request as they are.
    """

    messages: tuple[Message, ...]
    model: str
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    tools: tuple[Tool | NativeTool, ...] = ()
    tool_choice: ToolChoice | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def input_bound(self, tokens_per_image: int) -> int:
        """Return a number of tokens that the input does not pass; what providers fetch by themselves is not in it."""
        parts = [part for message in self.messages for part in message.parts]
        structures: list[Any] = [part.value for part in parts if isinstance(part, NativePart)]
        beside = [message.extra for message in self.messages]
        beside += [part.extra for part in parts if isinstance(part, TextPart)]
        structures += [dict(extra) for extra in (*beside, self.extra) if extra]
        structures += [[one.tool_call_id, one.tool_name] for one in self.messages if one.role is Role.TOOL]
        structures += [call.to_json() for message in self.messages for call in message.tool_calls]
        structures += [_described(tool) for tool in self.tools]
        if self.json_schema is not None:
            structures.append(self.json_schema)
        return input_bound(
            [self.system or "", *(message.text for message in self.messages)],
            structures=structures,
            images=sum(isinstance(part, ImagePart) for part in parts),
            tokens_per_image=tokens_per_image,
        )


@dataclass(frozen=True, kw_only=True)
class LLMAnswer:
    """A whole answer; `model` is the one that answered, `usage` is None where it was not reported.

    `native_finish_reason` is the provider's own word, `metrics` are its own figures.
    """

    text: str
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: FinishReason = FinishReason.OTHER
    native_finish_reason: str | None = None
    request_id: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class EmbeddingCall:
    """Texts to turn into vectors; `dimensions` None is the model's own length."""

    inputs: tuple[str, ...]
    model: str
    dimensions: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def input_bound(self, tokens_per_image: int = 0) -> int:
        """Return a number of tokens that the input does not pass."""
        del tokens_per_image
        return input_bound(self.inputs, structures=[dict(self.extra)] if self.extra else ())


@dataclass(frozen=True, kw_only=True)
class EmbeddingAnswer:
    """One vector per text, in their order; `usage` is None where it was not reported."""

    vectors: tuple[tuple[float, ...], ...]
    model: str
    usage: Usage | None = None
    request_id: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])


def system_parts(call: LLMCall) -> list[TextPart | NativePart]:
    """Return every system prompt of a call, in order, for providers that have one place for all of them."""
    parts: list[TextPart | NativePart] = [] if call.system is None else [TextPart(text=call.system)]
    for message in call.messages:
        if message.role is Role.SYSTEM:
            parts += [part for part in message.parts if not isinstance(part, ImagePart)]
    return parts


def _described(tool: Tool | NativeTool) -> Any:
    if isinstance(tool, NativeTool):
        return tool.value
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
