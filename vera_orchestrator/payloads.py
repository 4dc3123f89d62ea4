"""One payload model per task type, and what a worker needs to run the type.

A new type is one call: `register_task_type("resize_image", ResizePayload, capabilities=["images"])`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import know_task_type

LONGEST_MODEL = 1_000
"""Characters of the name of a model."""


class Payload(BaseModel):
    """Base of the payload models; fields it does not know are handed to the worker as they are."""

    model_config = ConfigDict(extra="allow")


PayloadModel = TypeVar("PayloadModel", bound=BaseModel)


class ToolCallPayload(Payload):
    """A call of a registered tool."""

    tool_name: str
    tool_input: dict[str, Any] = Field(default_factory=dict)


class LLMPayload(Payload):
    """A prompt or a conversation for a language model, or texts to turn into vectors (`kind` embedding).

    `json_schema` is the schema that the answer must fit, empty for any JSON object; `tools` are {name, description,
    parameters}, and `tool_choice` is auto, none, required or the name of one. With `cache` an answer that was given to
    the same request will do. `optional` are fields as OpenAI's API has them, of which a provider gets those that it
    knows.
    """

    kind: Literal["chat", "embedding"] = "chat"
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    system: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    stop: str | list[str] | None = None
    json_schema: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    stream: bool = False
    cache: bool = False
    input: str | list[str] | None = None
    dimensions: int | None = Field(default=None, gt=0)
    optional: dict[str, Any] | None = None

    @field_validator("model")
    @classmethod
    def _is_a_name(cls, model: str | None) -> str | None:
        if model is not None and not (model.isprintable() and len(model) <= LONGEST_MODEL):
            raise ValueError(f"a model's name has at most {LONGEST_MODEL} printable characters")
        return model

    @model_validator(mode="after")
    def _has_input(self) -> LLMPayload:
        if self.kind == "embedding":
            if not self.input:
                raise ValueError("give input, a text or a list of them")
            return self
        if self.prompt is None and not self.messages:
            raise ValueError("give prompt or messages")
        return self


class CodePayload(Payload):
    """A program for the sandbox."""

    code: str
    language: Literal["python", "bash"] = "python"


class DockerPayload(Payload):
    """A command for a container."""

    command: list[str] | str
    image: str | None = None
    environment: dict[str, str] = Field(default_factory=dict)


class ApiRequestPayload(Payload):
    """An HTTP request; `json` or `body`, not both. `timeout` is in seconds."""

    method: str = "GET"
    url: str
    headers: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    json_: Any = Field(default=None, alias="json")
    body: str | None = None
    timeout: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_body(self) -> ApiRequestPayload:
        if self.json_ is not None and self.body is not None:
            raise ValueError("give json or body, not both")
        return self


class CognitionPayload(Payload):
    """What to think about in the background."""

    focus: str | None = None
    latest_conversation: str | None = None
    focus_board: dict[str, Any] | None = None


class BatchPayload(Payload):
    """Tasks to run as a batch of their own."""

    tasks: list[dict[str, Any]] = Field(min_length=1)
    execute_parallel: bool = True


class AnyPayload(Payload):
    """Any JSON object."""


@dataclass(frozen=True, kw_only=True)
class TaskTypeSpec:
    """A task type: its payload model and the capabilities that a worker needs for it.

    `replaceable` types ask for `capabilities` only where the task names none of its own.
    """

    name: str
    payload: type[BaseModel]
    capabilities: frozenset[str]
    replaceable: bool = False


def _spec(name: TaskType, payload: type[BaseModel], *capabilities: str, replaceable: bool = False) -> TaskTypeSpec:
    return TaskTypeSpec(name=name, payload=payload, capabilities=frozenset(capabilities), replaceable=replaceable)


TASK_TYPES: dict[str, TaskTypeSpec] = {
    spec.name: spec
    for spec in (
        _spec(TaskType.TOOL_CALL, ToolCallPayload, "tool_execution"),
        _spec(TaskType.LLM_REQUEST, LLMPayload, "llm_inference"),
        _spec(TaskType.OLLAMA_REQUEST, LLMPayload, "ollama"),
        _spec(TaskType.CODE_EXECUTION, CodePayload, "code_execution"),
        _spec(TaskType.BACKGROUND_COGNITION, CognitionPayload, "background_cognition"),
        _spec(TaskType.API_REQUEST, ApiRequestPayload, "api_requests"),
        _spec(TaskType.DOCKER_TASK, DockerPayload, "docker"),
        _spec(TaskType.REMOTE_COMPUTE, AnyPayload, "remote_compute"),
        _spec(TaskType.PARALLEL_BATCH, BatchPayload, "parallel_batch"),
        _spec(TaskType.CUSTOM, AnyPayload, "custom", replaceable=True),
    )
}


def register_task_type(name: str, payload: type[BaseModel], *, capabilities: list[str]) -> None:
    """Add a task type.

    Its tasks run on workers that have all of `capabilities`. Raises InvalidValue for a name that is taken by another
    model.
    """
    known = TASK_TYPES.get(name)
    if known is not None and known.payload is not payload:
        raise InvalidValue(f"{name!r} is a task type already.", field="name", remedy="Choose another name.")
    TASK_TYPES[name] = TaskTypeSpec(name=name, payload=payload, capabilities=frozenset(capabilities))
    know_task_type(name)


def check_payload(type_name: str, payload: object) -> None:
    """Raise InvalidPayload, naming the field, unless the payload fits its type."""
    spec = TASK_TYPES[type_name]
    if spec.payload is not AnyPayload or not isinstance(payload, dict):
        parse_payload(type_name, spec.payload, payload)


def parse_payload(type_name: str, model: type[PayloadModel], payload: object) -> PayloadModel:
    """Return a payload as its type's model; raises InvalidPayload, naming the field."""
    if not isinstance(payload, dict):
        raise InvalidPayload(f"{type(payload).__name__} is not an object.", field="payload", remedy="Give a dict.")
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(["payload", *(str(part) for part in first["loc"])])
        raise InvalidPayload(f"{first['msg']}.", field=path, remedy=f"A {type_name} takes {_fields(model)}.") from None


def _fields(model: type[BaseModel]) -> str:
    return ", ".join(
        f"{field.alias or name}{'' if field.is_required() else ' (optional)'}"
        for name, field in model.model_fields.items()
    )
