"""What is said to a model, in the one form that all adapters translate."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

from vera_orchestrator.errors import InvalidPayload


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """Text; `extra` are fields that a provider takes beside it, such as `cache_control`."""

    text: str
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """An image: its bytes in base64 with their type (image/png), or an address from which the provider fetches it."""

    data: str | None = None
    media_type: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class NativePart:
    """A part in a provider's own form, handed to it as it is."""

    value: Mapping[str, Any]


Part = TextPart | ImagePart | NativePart


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call that a model asks for; `signature` is the provider's and goes back to it with the call."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    signature: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which a message of the assistant may repeat in its `tool_calls`."""
        signature = {} if self.signature is None else {"signature": self.signature}
        return {"id": self.id, "name": self.name, "arguments": dict(self.arguments), **signature}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn.

    A tool's message answers the call `tool_call_id` of the tool `tool_name`. `extra` are fields beside these, which
    providers that take messages in this form get too.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def text(self) -> str:
        """The texts of all parts."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that the model may ask for; `parameters` is the JSON schema of its arguments.

    `strict` says whether calls must fit it to the letter, where the provider leaves that open.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    strict: bool | None = None


@dataclass(frozen=True, kw_only=True)
class NativeTool:
    """A tool in a provider's own form, such as one that the provider itself runs."""

    value: Mapping[str, Any]


class ToolMode(StrEnum):
    """Whether tools are called."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class ToolChoice:
    """Which tools are called; `name` is the only one that may be."""

    mode: ToolMode
    name: str | None = None


def new_call_id() -> str:
    """Return an id for a call whose provider gives none."""
    return f"call_{uuid4().hex}"


def bytes_of(text: str, field: str) -> bytes:
    """Return the bytes that base64 stands for; raises InvalidPayload, naming the field."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPayload("Not base64.", field=field, remedy="Give the bytes in base64.") from None
