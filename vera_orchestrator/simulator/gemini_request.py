"""Requests in Gemini's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from vera_orchestrator.simulator.conversation import Asked
from vera_orchestrator.simulator.form import Form, dumped


class GeminiForm(Form):
    """A form whose fields are in camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Content(GeminiForm):
    """A message in parts."""

    parts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    role: str | None = "user"

    @property
    def text(self) -> str:
        """The texts of all parts."""
        return "".join(str(part["text"]) for part in self.parts if "text" in part)

    @property
    def counted(self) -> str:
        """What costs input beside images."""
        others = [{k: v for k, v in part.items() if k not in ("text", "inlineData", "fileData")} for part in self.parts]
        return self.text + "".join(map(dumped, others))

    @property
    def images(self) -> int:
        """How many images it holds."""
        return sum("inlineData" in part or "fileData" in part for part in self.parts)

    @property
    def answers_a_call(self) -> bool:
        """Whether it holds the result of a function."""
        return any("functionResponse" in part for part in self.parts)


class Function(GeminiForm):
    """A function that may be called; its arguments are described in one of two ways."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The schema of its arguments."""
        return self.parameters_json_schema or self.parameters or {}


class Tool(GeminiForm):
    """A set of functions."""

    function_declarations: list[Function] = Field(default_factory=list[Function])


class Calling(GeminiForm):
    """Which functions may be called: AUTO, ANY or NONE."""

    mode: str = "AUTO"
    allowed_function_names: list[str] | None = None


class ToolConfig(GeminiForm):
    """How functions are called."""

    function_calling_config: Calling = Calling()


class Generation(GeminiForm):
    """How the answer is to be."""

    max_output_tokens: int | None = Field(default=None, ge=1)
    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None

    @property
    def schema_asked(self) -> dict[str, Any] | None:
        """The schema of the answer; empty for any JSON, None for text."""
        schema = self.response_json_schema or self.response_schema
        return {} if schema is None and self.response_mime_type == "application/json" else schema


class Generate(GeminiForm):
    """A body for generateContent and streamGenerateContent; countTokens takes the same."""

    contents: list[Content] = Field(min_length=1)
    system_instruction: Content | None = None
    tools: list[Tool] = Field(default_factory=list[Tool])
    tool_config: ToolConfig = ToolConfig()
    generation_config: Generation = Generation()

    def asked(self, model: str, *, stream: bool = False) -> Asked:
        """Return what is asked of a model."""
        messages = [*self.contents, *([self.system_instruction] if self.system_instruction else [])]
        schema = self.generation_config.schema_asked
        tools = [dumped(tool.model_dump()) for tool in self.tools]
        return Asked(
            model=model,
            texts=(*(message.counted for message in messages), *tools, dumped(schema)),
            prompt=next((c.text for c in reversed(self.contents) if c.role != "model" and c.text), ""),
            messages=len(messages),
            images=sum(message.images for message in messages),
            tools=self._callable(),
            schema=schema,
            max_tokens=self.generation_config.max_output_tokens,
            stop=tuple(self.generation_config.stop_sequences or ()),
            stream=stream,
        )

    def _callable(self) -> dict[str, Mapping[str, Any]]:
        calling = self.tool_config.function_calling_config
        offered: dict[str, Mapping[str, Any]] = {
            function.name: function.arguments
            for tool in self.tools
            for function in tool.function_declarations
            if not calling.allowed_function_names or function.name in calling.allowed_function_names
        }
        if calling.mode == "NONE" or (calling.mode != "ANY" and self.contents[-1].answers_a_call):
            return {}
        return offered


class EmbedOne(GeminiForm):
    """A body for embedContent."""

    content: Content
    output_dimensionality: int | None = Field(default=None, ge=1, le=8192)


class EmbedMany(GeminiForm):
    """A body for batchEmbedContents."""

    requests: list[EmbedOne] = Field(min_length=1)

    def asked(self, model: str) -> Asked:
        """Return what is asked of a model."""
        texts = tuple(one.content.text for one in self.requests)
        return Asked(model=model, texts=texts, prompt="", messages=0, max_tokens=0)
