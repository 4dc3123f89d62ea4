"""The windows of limits: minute and hour slide, the day is a calendar day of a time zone.

Times are whole microseconds since 1970 (UTC): additions and comparisons are exact, in Python as in SQL.

A use counts in a window from its time until `counted_until`. `slack` (microseconds) is the longest that a request may
take from its reservation to the provider's door; with it, the provider's own windows, counted by arrival, keep the
limit too.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from vera_orchestrator.errors import InvalidValue

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ONE_DAY = timedelta(days=1)


class Window(StrEnum):
    """The time over which a limit holds."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


SLIDING = {Window.MINUTE: 60 * SECOND, Window.HOUR: 3600 * SECOND}


def micros(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment(at: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return EPOCH + timedelta(microseconds=at)


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database; raises InvalidValue."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, the name of a folder
        raise InvalidValue(
            f"{name!r} is not a time zone.", field="zone", remedy="Give an IANA name, such as UTC or Europe/Berlin."
        ) from None


def counted_from(window: Window, now: int, zone: ZoneInfo, slack: int = 0) -> int:
    """Return the earliest time of a use that counts now."""
    if window is Window.DAY:
        return day_of(now, zone)[0] - slack
    return now - SLIDING[window] - slack + 1


def counted_until(window: Window, at: int, zone: ZoneInfo, slack: int = 0) -> int:
    """Return the first time at which a use no longer counts."""
    if window is Window.DAY:
        return day_of(at + slack, zone)[1]
    return at + SLIDING[window] + slack


def day_of(at: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the start of the calendar day of a time, and of the next; 23 or 25 hours apart where clocks change."""
    day = _newest.get(zone)
    if day is None or not day[0] <= at < day[1]:
        day = _newest[zone] = _day_of(at, zone)
    return day


_newest: dict[ZoneInfo, tuple[int, int]] = {}
"""The day that was asked for last: nearly every time is of today."""


def _day_of(at: int, zone: ZoneInfo) -> tuple[int, int]:
    here = moment(at).astimezone(zone).date()
    # clocks that are set back across midnight show a date again that has ended already
    if at >= _start(here + ONE_DAY, zone):
        here += ONE_DAY
    return _start(here, zone), _start(here + ONE_DAY, zone)


def _start(day: date, zone: ZoneInfo) -> int:
    # fold=0: of two midnights the first; one that is skipped becomes the moment at which the clocks were changed
    return micros(datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC))
