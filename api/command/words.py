"""Values as a person reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "idle": "green",
    "busy": "cyan",
    "maintenance": "yellow",
    "overloaded": "yellow",
    "offline": "red",
    "error": "red",
    "ok": "green",
    "missing": "yellow",
    "broken": "red",
}
PRIORITIES = ("critical", "high", "normal", "low", "background")
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def coloured(status: str) -> str:
    """Return a status in its colour, as markup."""
    colour = COLOURS.get(status)
    return f"[{colour}]{escape(status)}[/]" if colour else escape(status)


def duration(seconds: float | None) -> str:
    """Return a span of time with the two units that matter."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    return f"{int(seconds // DAY)} d {int(seconds % DAY // HOUR)} h"


def moment(text: str | None) -> str:
    """Return a time of the API in this machine's own zone: the clock, and the day if it is not today."""
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    local = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M:%S")


def money(usd: float | None) -> str:
    """Return an amount in USD."""
    if usd is None:
        return ""
    return f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def number(value: float | None) -> str:
    """Return a count with its thousands apart; "" for none."""
    return "" if value is None else f"{value:,}"


def one_line(value: Any, length: int = 200) -> str:
    """Return a value on one line, as JSON if it is no text, cut where it is long."""
    text = "" if value is None else " ".join((value if isinstance(value, str) else as_json(value)).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def why(error: Any) -> str:
    """Return the line of an error that says most: of a traceback that is the last."""
    lines = [line for line in str(error or "").splitlines() if line.strip()]
    if not lines:
        return ""
    return one_line(lines[-1] if lines[0].startswith("Traceback") else " ".join(lines))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON, in the letters of its language."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def priority(value: Any) -> str:
    """Return a priority's name."""
    return PRIORITIES[value] if isinstance(value, int) and 0 <= value < len(PRIORITIES) else str(value)
