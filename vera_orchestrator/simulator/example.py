"""A JSON value that fits a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vera_orchestrator.simulator.conversation import MARK

_DEPTH = 12
_FORMATS: Mapping[str, str] = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "email": "simulated@example.invalid",
    "time": "00:00:00Z",
    "uri": "https://example.invalid/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example(schema: Mapping[str, Any]) -> Any:
    """Return a value that fits a JSON schema of the kind that providers accept; texts say that they are simulated.

    References within the schema are followed, those to themselves to a depth of 12; of several choices the first is
    taken. Patterns are not looked at.
    """
    return _value(schema, schema, 0)


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _value(_referenced(str(schema["$ref"]), root), root, depth + 1)
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _value(schema[several][0], root, depth + 1)
    return _of_kind(_kind(schema), schema, root, depth)


def _kind(schema: Mapping[str, Any]) -> str:
    kind: str | list[str] = schema.get("type", "object" if "properties" in schema else "string")
    return (kind if isinstance(kind, str) else kind[0]).lower()  # Gemini writes OBJECT


def _of_kind(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    match kind:
        case "object":
            properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
            # below half the depth only what must be there, so that a type that holds itself comes to an end
            names = properties if depth < _DEPTH // 2 else schema.get("required", ())
            return {name: _value(properties.get(name, {}), root, depth + 1) for name in names}
        case "array":
            count = max(int(schema.get("minItems", 0)), 1 if depth < _DEPTH // 2 else 0)
            return [_value(schema.get("items", {}), root, depth + 1) for _ in range(count)]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema)


def _number(schema: Mapping[str, Any]) -> float:
    if "exclusiveMinimum" in schema:
        return schema["exclusiveMinimum"] + 1
    return schema.get("minimum", min(1, schema.get("maximum", 1)))


def _text(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), MARK)
    return text.ljust(int(schema.get("minLength", 0)), ".")[: schema.get("maxLength")]


def _referenced(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part, {}) if part else found
    return found
