"""Times in the query of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from vera_orchestrator.errors import InvalidValue

YEARS = range(1970, 9000)


def _with_plus(value: object) -> object:
    """A plus sign that was not encoded arrives as a space."""
    return value.replace(" ", "+") if isinstance(value, str) and "T" in value else value


Moment = Annotated[datetime | None, BeforeValidator(_with_plus)]


def in_utc(value: datetime | None, field: str, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC; one without an offset is of `zone`. Raises InvalidValue before 1970 and in year 9000."""
    if value is None:
        return None
    if value.year not in YEARS:
        raise InvalidValue(f"There is nothing in {value.year}.", field=field, remedy="Give a time since 1970.")
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
