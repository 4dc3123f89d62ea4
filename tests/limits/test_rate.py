"""A rate holds for all processes together: what is above it is delayed, and nothing is refused."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.limits.crew import Crew
from tests.limits.orders import Order, zone_at_noon
from tests.limits.provider import Provider
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.settings import NO_LIMITS

PER_MINUTE, PER_SECOND, BURST = 60, 1.0, 10
PROCESSES = 2


def most_above(times: Sequence[float]) -> float:
    """Return by how many requests any stretch of time has more than the token bucket gives."""
    return max(
        number - BURST - PER_SECOND * (last - first)
        for start, first in enumerate(times)
        for number, last in enumerate(times[start:], 1)
    )


def arrivals(crew: Crew, provider: Provider, home: Path, database: str, seconds: int) -> Sequence[float]:
    """Offer at once what takes so long at the rate; return when the requests have arrived."""
    provider.open()
    tasks = (BURST + seconds) // PROCESSES
    order = Order(
        home=home,
        database=database,
        provider=provider.url,
        tasks=tasks,
        at_once=tasks,
        quota=NO_LIMITS,
        rate_limit_per_minute=PER_MINUTE,
        price=ModelPrice(input=Decimal(1), output=Decimal(2)),
        prompt="when",
        max_tokens=10,
        time_zone=zone_at_noon(),
    )
    crew.begin(order, PROCESSES)
    crew.go()
    for _ in range(PROCESSES * tasks):
        crew.one_completed()
    calls = provider.calls()
    assert [call.status for call in calls] == [200] * (PROCESSES * tasks)
    return [call.at for call in calls]


def check(times: Sequence[float], seconds: int) -> None:
    assert most_above(times) <= 1
    assert times[-1] - times[0] < 2 * seconds  # delayed, and not held up


def test_arrivals_fit_the_token_bucket(crew: Crew, provider: Provider, tmp_path: Path, postgres_url: str) -> None:
    check(arrivals(crew, provider, tmp_path, postgres_url, 4), 4)


@pytest.mark.soak
def test_arrivals_of_thirty_seconds_fit_it(crew: Crew, provider: Provider, tmp_path: Path, postgres_url: str) -> None:
    check(arrivals(crew, provider, tmp_path, postgres_url, 30), 30)


def test_more_than_the_bucket_gives_is_seen() -> None:
    assert most_above([0.0] * 10) == 0
    assert most_above([0.0] * 10 + [1.0, 2.0]) == 0
    assert most_above([0.0] * 12) == 2
    assert most_above([float(second) for second in range(20)]) < 0
    assert most_above([0.0, *[20.0] * 11]) == 1
