"""From the messages and tools of a payload to their normal form: pure.

Messages come as OpenAI's chat completions have them; images also as Anthropic has them, and calls and results of tools
also in the short forms {id, name, arguments} and {role: tool, name, content}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.workers.llm.conversation import (
    ImagePart,
    Message,
    NativePart,
    NativeTool,
    Part,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    new_call_id,
)

ROLES: Mapping[str, Role] = {**{role.value: role for role in Role}, "developer": Role.SYSTEM, "model": Role.ASSISTANT}
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>[A-Za-z0-9+/=\s]*)", re.ASCII)
_USED = frozenset({"role", "content", "tool_calls", "tool_call_id", "tool_name", "images"})


def read_messages(raw: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return messages in their normal form; raises InvalidPayload, naming the field."""
    messages: list[Message] = []
    called: list[ToolCall] = []
    for position, value in enumerate(raw):
        field = f"payload.messages.{position}"
        role = ROLES.get(str(value.get("role")))
        if role is None:
            raise InvalidPayload(
                "A message has no known role.", field=f"{field}.role", remedy=f"Give one of {', '.join(Role)}."
            )
        calls = _calls(value.get("tool_calls"), f"{field}.tool_calls")
        answered = _answered(value, called, field) if role is Role.TOOL else None
        called += calls
        used = _USED | {"name"} if role is Role.TOOL else _USED
        messages.append(
            Message(
                role=role,
                parts=(*_parts(value.get("content"), field), *_bare_images(value.get("images"), field)),
                tool_calls=calls,
                tool_call_id=answered.id if answered else "",
                tool_name=answered.name if answered else "",
                extra={name: item for name, item in value.items() if name not in used},
            )
        )
    return tuple(messages)


def read_tools(raw: Sequence[Mapping[str, Any]] | None) -> tuple[Tool | NativeTool, ...]:
    """Return tools in their normal form; those of a kind that only a provider knows are kept as they are."""
    return tuple(_tool(value, f"payload.tools.{position}") for position, value in enumerate(raw or ()))


def read_tool_choice(raw: str | Mapping[str, Any] | None) -> ToolChoice | None:
    """Return which tools are called: auto, none, required, or the name of one; raises InvalidPayload."""
    if raw is None:
        return None
    if isinstance(raw, str):
        word = "required" if raw == "any" else raw
        return (
            ToolChoice(mode=ToolMode(word)) if word in set(ToolMode) else ToolChoice(mode=ToolMode.REQUIRED, name=raw)
        )
    name = (mapping(raw.get("function")) or raw).get("name")
    if isinstance(name, str):
        return ToolChoice(mode=ToolMode.REQUIRED, name=name)
    kind = raw.get("type")
    if isinstance(kind, str) and (kind == "any" or kind in set(ToolMode)):
        return read_tool_choice(kind)
    raise InvalidPayload("Not a choice of tools.", field="payload.tool_choice", remedy="Give auto, none or a name.")


def _tool(value: Mapping[str, Any], field: str) -> Tool | NativeTool:
    kind, inner = value.get("type"), value.get("function")
    if kind not in (None, "function", "custom") or (kind == "custom" and "input_schema" not in value):
        return NativeTool(value=value)
    told = mapping(inner) or value
    name = told.get("name")
    if not isinstance(name, str):
        if kind is None and "name" not in told and told:
            return NativeTool(value=value)
        raise InvalidPayload(
            "A tool has no name.", field=f"{field}.name", remedy="Give {name, description, parameters}."
        )
    schema = mapping(told.get("parameters", told.get("input_schema")) or {"type": "object", "properties": {}})
    if schema is None:
        raise InvalidPayload("Not a JSON schema.", field=f"{field}.parameters", remedy="Give an object.")
    strict = told.get("strict")
    return Tool(
        name=name,
        description=str(told.get("description") or ""),
        parameters=schema,
        strict=strict if isinstance(strict, bool) else None,
    )


def _calls(raw: Any, field: str) -> tuple[ToolCall, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise InvalidPayload("Not a list.", field=field, remedy="Give [{id, name, arguments}].")
    return tuple(_call(value, f"{field}.{position}") for position, value in enumerate(cast("list[Any]", raw)))


def _call(raw: Any, field: str) -> ToolCall:
    value = mapping(raw) or {}
    told = mapping(value.get("function")) or value
    name, arguments = told.get("name"), arguments_of(told.get("arguments"))
    if not isinstance(name, str) or arguments is None:
        raise InvalidPayload("Not a call of a tool.", field=field, remedy="Give {id, name, arguments}.")
    signature = value.get("signature")
    return ToolCall(
        id=str(value.get("id") or new_call_id()),
        name=name,
        arguments=arguments,
        signature=signature if isinstance(signature, str) else None,
    )


def arguments_of(raw: Any) -> dict[str, Any] | None:
    """Return the arguments of a call, given as an object or as the JSON of one; None if they are neither."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            return None
    value = mapping(raw)
    return None if value is None else dict(value)


def _answered(value: Mapping[str, Any], called: Sequence[ToolCall], field: str) -> ToolCall:
    identifier, name = value.get("tool_call_id"), value.get("tool_name", value.get("name"))
    for call in reversed(called):
        if (call.id == identifier) if identifier is not None else (call.name == name):
            return call
    raise InvalidPayload(
        "A tool's message answers no call before it.",
        field=f"{field}.tool_call_id",
        remedy="Give the id of a call in the tool_calls of an earlier message of the assistant.",
    )


def _parts(content: Any, field: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(text=content),)
    if isinstance(content, list):
        return tuple(_part(value, f"{field}.content.{n}") for n, value in enumerate(cast("list[Any]", content)))
    raise InvalidPayload("Neither text nor a list of parts.", field=f"{field}.content", remedy="Give text.")


def _part(raw: Any, field: str) -> Part:
    if isinstance(raw, str):
        return TextPart(text=raw)
    value = mapping(raw)
    if value is None:
        raise InvalidPayload("Not a part of a message.", field=field, remedy="Give {type: text, text: …}.")
    if value.get("type") in (None, "text", "input_text") and isinstance(value.get("text"), str):
        extra = {name: item for name, item in value.items() if name not in ("type", "text")}
        return TextPart(text=value["text"], extra=extra)
    if value.get("type") in ("image", "image_url", "input_image"):
        return _image(value, field)
    return NativePart(value=value)


def _image(value: Mapping[str, Any], field: str) -> ImagePart:
    given = value.get("image_url", value.get("source", value))
    source = mapping(given) or {"url": given}
    url, data = source.get("url"), source.get("data")
    if isinstance(url, str) and (found := _DATA_URL.fullmatch(url)):
        return ImagePart(data=found["data"], media_type=found["type"])
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        return ImagePart(url=url, media_type=source.get("media_type"))
    if isinstance(data, str):
        return ImagePart(data=data, media_type=str(source.get("media_type") or media_type_of(data)))
    raise InvalidPayload(
        "An image has neither data nor an address.",
        field=field,
        remedy="Give {type: image, data: base64, media_type: image/png} or {type: image, url: https://…}.",
    )


def _bare_images(raw: Any, field: str) -> tuple[ImagePart, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in cast("list[Any]", raw)):
        raise InvalidPayload("Not a list of images.", field=f"{field}.images", remedy="Give base64 texts.")
    return tuple(ImagePart(data=item, media_type=media_type_of(item)) for item in cast("list[str]", raw))


def media_type_of(data: str) -> str:
    """Return the type of an image by how its base64 begins; PNG where that says nothing."""
    starts = {"/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
    return starts.get(data[:4], "image/png")


def mapping(value: Any) -> Mapping[str, Any] | None:
    """Return a value that is an object, None for another."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None
