"""From a function's signature to a JSON Schema, and from a JSON object to its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.tools.context import ToolContext

NAMED = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})
EMPTY = inspect.Parameter.empty


class _PlainSchema(GenerateJsonSchema):
    """A schema without titles: they would only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a function takes.

    `model` checks the arguments, `names` leads from the model's fields to the parameters, `context` is the parameter
    that gets the ToolContext.
    """

    model: type[BaseModel]
    names: Mapping[str, str]
    context: str | None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments, an object."""
        schema = self.model.model_json_schema(schema_generator=_PlainSchema)
        schema.pop("title", None)
        schema.setdefault("properties", {})
        return schema

    def check(self, tool: str, values: object) -> dict[str, Any]:
        """Return the given arguments with the function's types; raises InvalidPayload that names the argument."""
        if not isinstance(values, dict):
            raise InvalidPayload(
                f"{type(values).__name__} is not an object.", field="payload.tool_input", remedy=self._remedy(tool)
            )
        try:
            checked = self.model.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(["payload.tool_input", *(str(part) for part in first["loc"])])
            raise InvalidPayload(f"{first['msg']}.", field=path, remedy=self._remedy(tool)) from None
        # What was not given is left out, so that the function's own default holds.
        return {self.names[field]: getattr(checked, field) for field in checked.model_fields_set}

    def _remedy(self, tool: str) -> str:
        parts = [
            f"{self.names[field]}{'' if info.is_required() else ' (optional)'}"
            for field, info in self.model.model_fields.items()
        ]
        return f"The tool {tool} takes {', '.join(parts) or 'no arguments'}."


def arguments_of(function: Callable[..., Any]) -> Arguments:
    """Read a function's signature.

    A parameter annotated `ToolContext` is not part of the schema; one without an annotation takes any JSON value.
    Raises InvalidValue for `*args`, `**kwargs`, positional-only parameters and types without a JSON Schema.
    """
    names: dict[str, str] = {}
    fields: dict[str, Any] = {}
    context: str | None = None
    for parameter in _signature(function).parameters.values():
        if parameter.kind not in NAMED:
            raise _unusable(function, f"its parameter {parameter} cannot be given by name")
        if parameter.annotation is ToolContext:
            context = parameter.name
            continue
        # Fields have names of their own: a parameter may be called `json` or `model_config`, a field may not.
        field = f"argument_{len(fields)}"
        names[field] = parameter.name
        annotation = Any if parameter.annotation is EMPTY else parameter.annotation
        default = ... if parameter.default is EMPTY else parameter.default
        fields[field] = (annotation, Field(default, alias=parameter.name))
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        arguments = Arguments(model=model, names=names, context=context)
        arguments.schema()
    except PydanticUserError as error:
        raise _unusable(function, f"a parameter's type has no JSON form: {error.message}") from error
    return arguments


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, TypeError, ValueError) as error:
        raise _unusable(function, f"its signature cannot be read: {error}") from error


def _unusable(function: Callable[..., Any], reason: str) -> InvalidValue:
    return InvalidValue(
        f"{getattr(function, '__qualname__', function)!s} cannot be a tool: {reason}.",
        field="function",
        remedy="Give it named parameters with types that have a JSON form.",
    )
