"""Requests in Anthropic's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from vera_orchestrator.simulator.conversation import Asked
from vera_orchestrator.simulator.form import Form, dumped


class Message(Form):
    """A message; content is a text or blocks."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The blocks, also of a plain text."""
        return [{"type": "text", "text": self.content}] if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """The texts of all blocks."""
        return text_of(self.blocks)

    @property
    def answers_a_call(self) -> bool:
        """Whether it holds the result of a tool."""
        return any(block.get("type") == "tool_result" for block in self.blocks)


class Tool(Form):
    """A tool of the caller's."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=dict[str, Any])


class OutputConfig(Form):
    """How the answer is to look; `format` is of type json_schema."""

    format: dict[str, Any] | None = None


class Count(Form):
    """A body for /v1/messages/count_tokens."""

    model: str
    messages: list[Message] = Field(min_length=1)
    system: str | list[dict[str, Any]] | None = None
    tools: list[Tool] | None = None
    tool_choice: dict[str, Any] | None = None
    output_config: OutputConfig | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None

    def asked(self) -> Asked:
        """Return what is asked."""
        schema = (
            self.output_config.format.get("schema", {}) if self.output_config and self.output_config.format else None
        )
        blocks = [block for message in self.messages for block in message.blocks]
        system = text_of(self.system) if isinstance(self.system, list) else self.system or ""
        texts = [
            system,
            *map(_counted, blocks),
            *(dumped(tool.model_dump()) for tool in self.tools or ()),
            dumped(schema),
        ]
        return Asked(
            model=self.model,
            texts=tuple(texts),
            prompt=next((m.text for m in reversed(self.messages) if m.role == "user" and m.text), ""),
            messages=len(self.messages) + bool(system),
            images=sum(block.get("type") == "image" for block in blocks),
            tools=self._callable(),
            schema=schema,
            max_tokens=self.max_tokens,
            stop=tuple(self.stop_sequences or ()),
            stream=bool(self.stream),
        )

    def _callable(self) -> dict[str, Mapping[str, Any]]:
        offered: dict[str, Mapping[str, Any]] = {tool.name: tool.input_schema for tool in self.tools or ()}
        choice = self.tool_choice or {"type": "auto"}
        match choice.get("type"):
            case "tool":
                return {str(choice.get("name")): offered.get(str(choice.get("name")), {})}
            case "any":
                return offered
            case "none":
                return {}
            case _:
                return {} if self.messages[-1].answers_a_call else offered


class Create(Count):
    """A body for /v1/messages."""

    max_tokens: int | None = Field(ge=1)


def text_of(blocks: list[dict[str, Any]]) -> str:
    """Return the texts of blocks."""
    return "".join(str(block["text"]) for block in blocks if "text" in block)


def _counted(block: dict[str, Any]) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "image" | "document":
            return ""  # counted apart
        case _:
            return dumped(block)
