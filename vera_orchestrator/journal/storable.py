"""What a journal can hold, in any store: one that could hold more would keep rows that cannot be moved to another."""

from __future__ import annotations

from collections.abc import Mapping

from vera_orchestrator.errors import InvalidValue

_BITS = {"priority": 16, "position": 32, "retry_count": 32, "fence": 32, "retries": 32, "pid": 32}
"""Of the whole numbers that have less than 64."""

_FIELDS = {
    "worker": "worker_id",
    "message": "error",
    "small_result": "result",
    "large_result": "result",
    "retries": "retry_count",
}
"""Names of parameters that differ from those of the row's fields."""


def check(values: Mapping[str, object]) -> None:
    """Raise InvalidValue, naming the field, unless every text and whole number can be held."""
    for name, value in values.items():
        if isinstance(value, str):
            fault = fault_of(value)
        elif isinstance(value, int):
            fault = None if is_whole(value, _BITS.get(name, 64)) else "The number is too large."
        else:
            continue
        if fault is not None:
            raise InvalidValue(f"The journal cannot hold this: {fault}", field=_FIELDS.get(name, name))


def fault_of(text: str) -> str | None:
    """Return what keeps a text from being held; None if nothing does."""
    if "\0" in text:
        return "The text contains NUL."
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text contains half of a surrogate pair."
    return None


def is_whole(number: int, bits: int = 64) -> bool:
    """Whether a whole number fits into so many bits."""
    return -(1 << (bits - 1)) <= number < 1 << (bits - 1)
