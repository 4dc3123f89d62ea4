"""What one call of a model used, and the most that its input can use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from vera_orchestrator.errors import InvalidValue

# role, delimiters and the like, which providers add around each message
MESSAGE_OVERHEAD = 16
# the instructions that providers add to a call with tools or a schema (a few hundred tokens)
STRUCTURE_OVERHEAD = 1_000

COUNTS = ("input", "output", "cache_read", "cache_write", "reasoning")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of a call, each counted once.

    `input` leaves out what a cache had (`cache_read`) or was given (`cache_write`), `output` leaves out `reasoning`.
    `estimated` marks counts that the provider did not report. Raises InvalidValue for a count that is not a whole
    number of 0 or more.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in COUNTS:
            check_count(getattr(self, name), f"usage.{name}")

    @classmethod
    def from_totals(
        cls, input: int, output: int, *, cache_read: int = 0, cache_write: int = 0, reasoning: int = 0
    ) -> Self:
        """Return the usage of a provider whose `input` holds the cached tokens and whose `output` the reasoning.

        Look-alike servers report parts that are larger than their whole; the whole is right then.
        """
        cache_read = min(cache_read, input)
        cache_write = min(cache_write, input - cache_read)
        reasoning = min(reasoning, output)
        return cls(
            input=input - cache_read - cache_write,
            output=output - reasoning,
            cache_read=cache_read,
            cache_write=cache_write,
            reasoning=reasoning,
        )

    @property
    def whole_input(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write

    @property
    def whole_output(self) -> int:
        """All tokens that the model made."""
        return self.output + self.reasoning

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.whole_input + self.whole_output

    def __add__(self, other: Usage) -> Usage:
        """Return both together; estimated if one of them is."""
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            estimated=self.estimated or other.estimated,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**{name: getattr(self, name) for name in COUNTS}, "estimated": self.estimated}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the usage that `to_json` wrote; what is left out is 0. Raises InvalidValue."""
        fields: dict[Any, Any] = dict(cast("Mapping[Any, Any]", value)) if isinstance(value, Mapping) else {"": value}
        unknown = [repr(name) for name in fields if name not in (*COUNTS, "estimated")]
        if unknown or not isinstance(fields.get("estimated", False), bool):
            raise InvalidValue(
                f"Not the usage of a call: {', '.join(unknown) or 'estimated is not true or false'}.",
                field="usage",
                remedy=f"It holds {', '.join(COUNTS)} and estimated.",
            )
        return cls(**fields)


def check_count(value: object, field: str) -> None:
    """Raise InvalidValue unless a value is a whole number of 0 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidValue(f"{value!r} is not a count.", field=field, remedy="Give a whole number, 0 or more.")


def input_bound(
    texts: Iterable[str], *, structures: Iterable[Any] = (), images: int = 0, tokens_per_image: int = 0
) -> int:
    """Return a number of tokens that no tokenizer passes for this input.

    A token holds at least one byte of UTF-8. `texts` are the messages, with the system's; `structures` are JSON values
    that go with them (tools, schema, tool calls), counted in their longest usual form, as chat templates indent them;
    `tokens_per_image` is the provider's maximum. Raises InvalidValue for images whose maximum is not given.
    """
    if images and tokens_per_image <= 0:
        raise InvalidValue(
            "The most tokens that an image can be are not known.",
            field="tokens_per_image",
            remedy="Give the provider's maximum, so that the call can be reserved.",
        )
    # JSON may hold half a surrogate pair, which has no UTF-8 form of its own
    messages = sum(len(text.encode("utf-8", "surrogatepass")) + MESSAGE_OVERHEAD for text in texts)
    parts = [len(json.dumps(part, indent=4)) for part in structures]
    return messages + sum(parts) + (STRUCTURE_OVERHEAD if parts else 0) + images * tokens_per_image
