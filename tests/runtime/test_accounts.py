from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.runtime.accounts import MOST_DAYS, days_between
from vera_orchestrator.windows import SECOND, micros, zone_named

BERLIN = zone_named("Europe/Berlin")
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


def at(*parts: int) -> int:
    return micros(datetime(*parts, tzinfo=UTC))  # pyright: ignore[reportArgumentType]


def test_days_are_those_of_the_zone_and_cut_to_the_time_asked_for() -> None:
    begin, end = at(2026, 3, 28, 12), at(2026, 3, 30, 1)

    days = days_between(begin, end, BERLIN)

    assert [start for start, _ in days] == [begin, at(2026, 3, 28, 23), at(2026, 3, 29, 22)]
    assert [(end - start) // HOUR for start, end in days] == [11, 23, 3]  # clocks are put forward on the 29th
    assert days[-1][1] == end


def test_no_time_has_no_days() -> None:
    assert days_between(at(2026, 1, 2), at(2026, 1, 2), BERLIN) == []
    assert days_between(at(2026, 1, 2), at(2026, 1, 1), BERLIN) == []


def test_too_many_days_are_refused() -> None:
    begin = at(2026, 1, 1)
    zone = zone_named("UTC")

    assert len(days_between(begin, begin + MOST_DAYS * DAY, zone)) == MOST_DAYS
    with pytest.raises(InvalidValue, match="cannot be told apart"):
        days_between(begin, begin + MOST_DAYS * DAY + 1, zone)
