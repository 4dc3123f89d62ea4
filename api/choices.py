"""Fields whose values come from a set: any other is answered with 400, and the OpenAPI document lists them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from vera_orchestrator.enums import RoutingStrategy, TaskPriority
from vera_orchestrator.payloads import TASK_TYPES
from vera_orchestrator.providers import KINDS

Schema = dict[str, Any]


def utf8(text: str) -> str:
    """Return a text that has a form in UTF-8; JSON can also hold half a character of UTF-16, which has none.

    Raises ValueError.
    """
    text.encode()
    return text


Text = Annotated[str, AfterValidator(utf8)]


class OneOf:
    """Lists the values of a field in the document, as they are when it is made, and checks nothing."""

    def __init__(self, *fixed: object, types: bool = False) -> None:
        self._fixed = fixed
        self._types = types

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Return the schema with the values."""
        del core, handler
        return {"enum": [*TASK_TYPES] if self._types else [*self._fixed]}


PRIORITIES = (*(priority.name.lower() for priority in TaskPriority), *(int(priority) for priority in TaskPriority))

TaskTypeName = Annotated[Text, OneOf(types=True), Field(description="What kind of task it is.")]
Priority = Annotated[Text | int, OneOf(*PRIORITIES), Field(description="By name or number, 0 is the most urgent.")]
Strategy = Annotated[Text, OneOf(*(str(one) for one in RoutingStrategy))]
ProviderKind = Annotated[Text, OneOf(*KINDS), Field(description="Whose API it is.")]


def payload_by_type(schema: Schema) -> None:
    """Add to the schema of a task what its payload is, by its type."""
    asked = {spec.name: spec.payload.model_json_schema() for spec in TASK_TYPES.values()}
    free = [name for name, payload in asked.items() if not payload.get("properties")]
    schema["anyOf"] = [
        {"title": "any payload", "properties": {"type": {"enum": free}}},
        *(
            {"title": name, "properties": {"type": {"const": name}, "payload": payload}, "required": ["payload"]}
            for name, payload in asked.items()
            if name not in free
        ),
    ]
