"""Pages of long lists, and tasks without what makes them long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def position(cursor: str | None) -> int | None:
    """Return the key of the row that a page begins before; a cursor is its decimal form."""
    return None if cursor is None else int(cursor)


def next_cursor(keys: Sequence[int], limit: int) -> str | None:
    """Return where the next page begins, if `keys` has more than `limit` rows."""
    return str(keys[limit - 1]) if len(keys) > limit else None


def brief(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task's wire form without its payload and the data of its result."""
    result = task["result"]
    short = {name: value for name, value in task.items() if name != "payload"}
    if result is not None:
        short["result"] = {name: value for name, value in result.items() if name != "data"}
    return short
