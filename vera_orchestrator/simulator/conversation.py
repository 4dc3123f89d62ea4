"""The one form that the shapes are read into: what is asked, what is answered, and what it costs."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MARK = "[simulated]"
IMAGE_TOKENS = 258
_PIECE = re.compile(rf"{re.escape(MARK)}|\s*\S{{1,6}}|\s+")


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"
    FILTERED = "filtered"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, whoever's form it came in."""

    model: str
    """The model that must be there; empty where none must."""
    texts: tuple[str, ...]
    """Everything that costs input: messages, system, tools and schema."""
    prompt: str
    """The last text of the user."""
    messages: int = 1
    images: int = 0
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """The schema of the arguments of each tool that may be called now."""
    schema: Mapping[str, Any] | None = None
    """The schema of the answer; empty for any JSON."""
    max_tokens: int | None = None
    """The most output there may be; 0 where none is asked for, as by embeddings."""
    stop: tuple[str, ...] = ()
    stream: bool = False


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call that the answer asks for."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used, in tokens; no token is in two of the counts."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def all_input(self) -> int:
        """Input, from a cache or not."""
        return self.input + self.cache_read + self.cache_write

    @property
    def all_output(self) -> int:
        """Output, reasoning in it."""
        return self.output + self.reasoning


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered; `usage` is None where none is reported."""

    pieces: tuple[str, ...]
    finish: Finish
    usage: Usage | None
    call: ToolCall | None = None
    empty: bool = False
    """Whether the response holds no choice at all."""
    stopped_by: str | None = None
    """The stop sequence that ended it."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A request with its answer, its number and the time at which it is answered."""

    asked: Asked
    answer: Answer
    number: int
    at: datetime


def pieces_of(text: str) -> tuple[str, ...]:
    """Return the tokens of a text; together they are the text, and there are never more than it has bytes."""
    return tuple(_PIECE.findall(text))


def input_tokens(asked: Asked, message_tokens: int) -> int:
    """Return what a request costs in input, at so many tokens per message beside the text."""
    counted = sum(len(pieces_of(text)) for text in asked.texts)
    return counted + asked.messages * message_tokens + asked.images * IMAGE_TOKENS


def vector(text: str, dimensions: int, seed: int) -> list[float]:
    """Return a vector of length 1 that depends on the text alone; equal texts are equal, nothing else is meant."""
    draw = random.Random(hashlib.sha256(f"{seed}:{text}".encode()).digest())
    raw = [draw.gauss(0, 1) for _ in range(dimensions)]
    length = math.sqrt(math.fsum(value * value for value in raw))
    return [value / length for value in raw]
