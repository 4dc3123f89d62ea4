"""Sliding minutes and hours, and calendar days of a zone, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.windows import SECOND, Window, counted_from, counted_until, day_of, micros, moment, zone_named

HOUR = 3600 * SECOND
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "America/Havana", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia"]

times = st.integers(micros(datetime(2000, 1, 1, tzinfo=UTC)), micros(datetime(2037, 1, 1, tzinfo=UTC)))
zones = st.sampled_from([ZoneInfo(name) for name in ZONES])
windows = st.sampled_from(Window)


def day(zone: str, year: int, month: int, date: int) -> tuple[str, str, float]:
    start, end = day_of(micros(datetime(year, month, date, 12, tzinfo=ZoneInfo(zone))), ZoneInfo(zone))
    return f"{moment(start):%d %H:%M}", f"{moment(end):%d %H:%M}", (end - start) / HOUR


def test_the_day_is_the_calendar_day_of_the_zone() -> None:
    assert day("UTC", 2026, 11, 22) == ("22 00:00", "23 00:00", 24)
    assert day("Asia/Kathmandu", 2026, 11, 22) == ("21 18:15", "22 18:15", 24)


def test_the_day_on_which_clocks_go_forward_has_23_hours() -> None:
    assert day("Europe/Berlin", 2026, 3, 29) == ("28 23:00", "29 22:00", 23)


def test_the_day_on_which_clocks_go_back_has_25_hours() -> None:
    assert day("Europe/Berlin", 2026, 10, 25) == ("24 22:00", "25 23:00", 25)


def test_a_day_whose_midnight_is_skipped_starts_at_one() -> None:
    assert day("America/Santiago", 2026, 9, 6) == ("06 04:00", "07 03:00", 23)


def test_a_day_with_two_midnights_starts_at_the_first() -> None:
    assert day("America/Havana", 2026, 11, 1) == ("01 04:00", "02 05:00", 25)


@given(times, zones)
def test_every_time_is_in_exactly_one_day(at: int, zone: ZoneInfo) -> None:
    start, end = day_of(at, zone)
    assert start <= at < end
    assert day_of(start, zone) == day_of(end - 1, zone) == (start, end)
    assert day_of(end, zone)[0] == end
    assert 22 * HOUR <= end - start <= 26 * HOUR


@given(times, zones)
def test_the_day_is_the_one_on_the_wall(at: int, zone: ZoneInfo) -> None:
    start, end = day_of(at, zone)
    dates = {moment(time).astimezone(zone).date() for time in (start, at, end - 1)}
    assert len(dates) == 1


def test_clocks_set_back_across_midnight_do_not_bring_the_day_before_back() -> None:
    newfoundland = ZoneInfo("America/St_Johns")
    again = datetime(2010, 11, 6, 23, 30, tzinfo=newfoundland, fold=1)  # at 00:01 clocks were set to 23:01
    start, end = day_of(micros(again.astimezone(UTC)), newfoundland)
    assert (f"{moment(start):%d %H:%M}", f"{moment(end):%d %H:%M}") == ("07 02:30", "08 03:30")


@given(times, windows, zones, st.integers(0, 5 * SECOND), st.sampled_from([-1, 0, 1]) | st.integers(-HOUR, HOUR))
def test_a_use_counts_until_the_time_that_is_told_and_no_longer(
    at: int, window: Window, zone: ZoneInfo, slack: int, later: int
) -> None:
    until = counted_until(window, at, zone, slack)
    assert (at >= counted_from(window, until + later, zone, slack)) == (later < 0)


def test_what_may_arrive_after_midnight_counts_on_both_days() -> None:
    utc, midnight = ZoneInfo("UTC"), micros(datetime(2026, 11, 22, tzinfo=UTC))
    assert counted_from(Window.DAY, midnight, utc, slack=SECOND) == midnight - SECOND
    assert counted_until(Window.DAY, midnight - SECOND, utc, slack=SECOND) == midnight + 24 * HOUR
    assert counted_until(Window.DAY, midnight - SECOND - 1, utc, slack=SECOND) == midnight


def test_a_minute_slides() -> None:
    utc = ZoneInfo("UTC")
    assert counted_until(Window.MINUTE, 59 * SECOND, utc) == 119 * SECOND
    assert counted_until(Window.HOUR, 0, utc, slack=SECOND) == 3601 * SECOND


@given(times)
def test_times_are_exact_to_the_microsecond(at: int) -> None:
    assert micros(moment(at)) == at


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "/etc/passwd", "../UTC"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="zone"):
        zone_named(name)
