"""What a journal can hold, in any store: one that could hold more would keep rows that cannot be moved to another."""

from __future__ import annotations

from collections.abc import Mapping

from vera_orchestrator.errors import InvalidValue

_BITS = {"priority": 16, "position": 32, "retry_count": 32, "fence": 32, "retries": 32, "pid": 32}
"""Of the whole numbers that have less than 64."""

KEY_BYTES = 1_000
"""Of a text that is looked up by: no index takes one of any length."""

_KEYS = {"id", "batch_id", "idempotency_key", "limit", "worker_id", "worker"}
"""Names of such texts."""

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
            fault = fault_of(value) or (_length_fault(value) if name in _KEYS else None)
        elif isinstance(value, int):
            fault = None if is_whole(value, _BITS.get(name, 64)) else "The number is too large."
        else:
            continue
        if fault is not None:
            raise _refusal(fault, _FIELDS.get(name, name))


def check_key(field: str, text: str) -> None:
    """Raise InvalidValue, naming the field, unless a text can be held and looked up by: an id, a key, a limit."""
    fault = fault_of(text) or _length_fault(text)
    if fault is not None:
        raise _refusal(fault, field)


def _refusal(fault: str, field: str) -> InvalidValue:
    return InvalidValue(f"The journal cannot hold this: {fault}", field=field)


def _length_fault(text: str) -> str | None:
    # a text has at least as many bytes as characters, and encoding each one would cost on the hot path
    if len(text) <= KEY_BYTES // 4 or len(text.encode()) <= KEY_BYTES:
        return None
    return f"The text is longer than {KEY_BYTES:,} bytes."


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
