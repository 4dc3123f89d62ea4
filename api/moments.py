"""Times in the query of a request."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from vera_orchestrator.errors import InvalidValue

YEARS = range(1970, 9000)


def written_out(value: object) -> object:
    """Return a time that is written out; a plus sign that was not encoded arrives as a space.

    Raises ValueError for a number.
    """
    if isinstance(value, datetime) or value is None:
        return value
    if isinstance(value, str) and re.match(r"\d{4}-\d\d", value):
        return value.replace(" ", "+") if "T" in value else value
    raise ValueError("Write the time in ISO 8601, such as 2026-01-31T12:00:00Z")


Moment = Annotated[datetime | None, BeforeValidator(written_out)]


def in_utc(value: datetime | None, field: str, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC; one without an offset is of `zone`. Raises InvalidValue before 1970 and in year 9000."""
    if value is None:
        return None
    if value.year not in YEARS:
        raise InvalidValue(f"There is nothing in {value.year}.", field=field, remedy="Give a time since 1970.")
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
