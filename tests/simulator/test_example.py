"""Values that fit a schema, checked by the schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from vera_orchestrator.simulator.conversation import MARK
from vera_orchestrator.simulator.example import example


class Author(BaseModel):
    name: str = Field(min_length=20, max_length=30)
    age: int = Field(ge=18, le=99)
    mail: str | None


class Story(BaseModel):
    title: str
    kind: str = Field(json_schema_extra={"enum": ["tale", "poem"]})
    score: float = Field(gt=2)
    authors: list[Author] = Field(min_length=2)
    done: bool


class Tree(BaseModel):
    label: str
    children: list[Tree]


@pytest.mark.parametrize("model", [Author, Story, Tree])
def test_a_value_fits_the_schema_of_a_model(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    value = example(schema)
    jsonschema.validate(value, schema)
    model.model_validate(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "STRING"}, MARK),
        ({"const": 7}, 7),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": ["null", "string"]}, None),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "string", "format": "date"}, "2000-01-01"),
        ({"properties": {"a": {"type": "number"}}}, {"a": 1}),
    ],
)
def test_the_value_of_a_small_schema(schema: dict[str, Any], value: object) -> None:
    assert example(schema) == value
