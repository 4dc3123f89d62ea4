"""Requests in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from vera_orchestrator.simulator.conversation import Asked
from vera_orchestrator.simulator.form import Form, dumped


class ChatMessage(Form):
    """A message; content is a text or parts."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The texts of all parts."""
        parts = self.content if isinstance(self.content, list) else [{"text": self.content or ""}]
        return "".join(str(part.get("text", "")) for part in parts)

    @property
    def images(self) -> int:
        """How many images it holds."""
        parts = self.content if isinstance(self.content, list) else []
        return sum(part.get("type") == "image_url" for part in parts)


class Function(Form):
    """A function that may be called."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class Tool(Form):
    """A tool; functions are the only kind here."""

    type: Literal["function"] = "function"
    function: Function


class StreamOptions(Form):
    """What a stream holds beside the answer."""

    include_usage: bool = False


class Chat(Form):
    """A body for /v1/chat/completions."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None

    def asked(self) -> Asked:
        """Return what is asked."""
        tools, schema = self.tools or [], _schema(self.response_format)
        texts = [message.text + dumped(message.tool_calls) for message in self.messages]
        texts += [dumped(tool.model_dump()) for tool in tools] + [dumped(schema)]
        return Asked(
            model=self.model,
            texts=tuple(texts),
            prompt=next((m.text for m in reversed(self.messages) if m.role == "user"), ""),
            messages=len(self.messages),
            images=sum(message.images for message in self.messages),
            tools=self._callable(tools),
            schema=schema,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            stream=bool(self.stream),
        )

    def _callable(self, tools: list[Tool]) -> dict[str, Mapping[str, Any]]:
        offered: dict[str, Mapping[str, Any]] = {tool.function.name: tool.function.parameters for tool in tools}
        if isinstance(self.tool_choice, dict):
            name = str(self.tool_choice.get("function", {}).get("name"))
            return {name: offered.get(name, {})}
        if self.tool_choice == "none" or (self.messages[-1].role == "tool" and self.tool_choice != "required"):
            return {}
        return offered


class Embed(Form):
    """A body for /v1/embeddings."""

    model: str
    input: str | list[str]
    dimensions: int | None = Field(default=None, ge=1, le=8192)
    encoding_format: Literal["float", "base64"] = "float"

    @property
    def texts(self) -> list[str]:
        """The texts, always as a list."""
        return [self.input] if isinstance(self.input, str) else self.input

    def asked(self) -> Asked:
        """Return what is asked."""
        return Asked(model=self.model, texts=tuple(self.texts), prompt="", messages=0, max_tokens=0)


def _schema(response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    match (response_format or {}).get("type"):
        case "json_schema":
            return (response_format or {}).get("json_schema", {}).get("schema", {})
        case "json_object":
            return {}
        case _:
            return None
