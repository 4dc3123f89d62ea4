"""Requests in Ollama's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from vera_orchestrator.simulator.conversation import Asked
from vera_orchestrator.simulator.form import Form, dumped
from vera_orchestrator.simulator.openai_request import Tool


class Options(Form):
    """What the model is run with."""

    num_predict: int | None = None
    stop: list[str] | str | None = None


class Message(Form):
    """A message."""

    role: str
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Run(Form):
    """What bodies for answers have in common; the answer is streamed unless it says otherwise."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: Options | None = None
    keep_alive: float | str | None = None

    @property
    def unloads(self) -> bool:
        """Whether the model is to leave the memory afterwards."""
        return self.keep_alive in (0, "0", "0s")

    def told(self, *, asks: bool) -> dict[str, Any]:
        """Return what all of them say of the answer, as arguments of Asked; `asks` is whether there is to be one."""
        limit = None if asks else 0
        options = self.options or Options()
        schema = {} if self.format == "json" else self.format
        stop = (options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ())
        return {
            "model": self.model,
            "schema": schema if isinstance(schema, dict) else None,
            "max_tokens": options.num_predict if options.num_predict and options.num_predict > 0 and asks else limit,
            "stop": stop,
            "stream": self.stream is not False,
        }


class Chat(Run):
    """A body for /api/chat; without messages it only loads the model."""

    messages: list[Message] = Field(default_factory=list[Message])
    tools: list[Tool] | None = None

    def asked(self) -> Asked:
        """Return what is asked."""
        told, tools = self.told(asks=bool(self.messages)), self.tools or []
        offered: dict[str, Mapping[str, Any]] = {tool.function.name: tool.function.parameters for tool in tools}
        if not self.messages:
            return Asked(**told, texts=(), prompt="", messages=0)
        texts = [(message.content or "") + dumped(message.tool_calls) for message in self.messages]
        return Asked(
            **told,
            texts=(*texts, *(dumped(tool.model_dump()) for tool in tools), dumped(told["schema"])),
            prompt=next((m.content or "" for m in reversed(self.messages) if m.role == "user"), ""),
            messages=len(self.messages),
            images=sum(len(message.images or ()) for message in self.messages),
            tools={} if self.messages and self.messages[-1].role == "tool" else offered,
        )


class Generate(Run):
    """A body for /api/generate; without a prompt it only loads the model."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None

    def asked(self) -> Asked:
        """Return what is asked."""
        prompt = self.prompt or ""
        told = self.told(asks=bool(prompt))
        if not prompt:
            return Asked(**told, texts=(), prompt="", messages=0)
        texts = (prompt, self.system or "", dumped(told["schema"]))
        messages = 1 + bool(self.system)
        return Asked(**told, texts=texts, prompt=prompt, messages=messages, images=len(self.images or ()))


class Embed(Form):
    """A body for /api/embed."""

    model: str = Field(min_length=1)
    input: str | list[str]
    dimensions: int | None = Field(default=None, ge=1, le=8192)

    @property
    def texts(self) -> list[str]:
        """The texts, always as a list."""
        return [self.input] if isinstance(self.input, str) else self.input

    def asked(self) -> Asked:
        """Return what is asked."""
        return Asked(model=self.model, texts=tuple(self.texts), prompt="", messages=0, max_tokens=0)


class Named(Form):
    """A body for /api/show or /api/pull; older clients write `name`."""

    model: str = ""
    name: str = ""
    stream: bool | None = None

    @property
    def wanted(self) -> str:
        """The model."""
        return self.model or self.name
