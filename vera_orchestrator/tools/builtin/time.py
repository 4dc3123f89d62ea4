"""Times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.tools.context import ToolContext

Moment = Annotated[str, Field(description="ISO 8601, such as 2025-01-31T12:00:00Z; without an offset: UTC.")]

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def get_time(context: ToolContext) -> dict[str, Any]:
    """Return the time now in UTC and in the machine's zone, in ISO 8601, and in seconds since 1970."""
    now = context.now()
    local = now.astimezone()
    return {
        "utc": now.astimezone(UTC).isoformat(),
        "local": local.isoformat(),
        "zone": local.tzname(),
        "epoch": now.timestamp(),
    }


def time_delta(start: Moment, end: Moment) -> dict[str, Any]:
    """Return the time from start to end in seconds and in words; negative if the end comes first."""
    delta = _moment("end", end) - _moment("start", start)
    return {"seconds": delta.total_seconds(), "text": in_words(delta)}


def in_words(delta: timedelta) -> str:
    """Return a duration as days, hours, minutes and seconds, such as '1 day 2 hours' or '-30 seconds'."""
    rest = abs(delta)
    whole = rest.days * 86_400 + rest.seconds
    parts: list[str] = []
    for unit, seconds in UNITS:
        count, whole = divmod(whole, seconds)
        fraction = f".{rest.microseconds:06d}".rstrip("0") if unit == "second" and rest.microseconds else ""
        if count or fraction:
            parts.append(f"{count}{fraction} {unit}{'' if count == 1 and not fraction else 's'}")
    text = " ".join(parts) or "0 seconds"
    return f"-{text}" if delta < timedelta(0) else text


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidPayload(
            f"{text!r} is not a time: {error}.",
            field=f"payload.tool_input.{name}",
            remedy="Give it in ISO 8601, such as 2025-01-31T12:00:00Z.",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


TOOLS = (get_time, time_delta)
