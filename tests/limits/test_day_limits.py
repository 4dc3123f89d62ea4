"""200 tasks at once from four processes against three limits a day: the provider's own count passes none of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.limits.books import Books
from tests.limits.crew import Crew
from tests.limits.orders import Order, zone_at_noon
from tests.limits.provider import Provider
from tests.support import PATIENCE
from vera_orchestrator.keys import open_keys
from vera_orchestrator.models import APIQuota
from vera_orchestrator.money import to_nanos
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.reservation import Amounts, Measure
from vera_orchestrator.settings import OrchestratorConfig

pytestmark = pytest.mark.flaky(reruns=0)  # a limit that is passed once is passed

PROCESSES, TASKS = 4, 50
QUOTA = APIQuota(
    requests_per_minute=None,
    requests_per_hour=None,
    requests_per_day=50,
    tokens_per_day=20_000,
    cost_limit_per_day=1.0,
)
UNLIMITED = APIQuota(requests_per_minute=None, requests_per_hour=None, requests_per_day=None)
LIMITS = Amounts(requests=50, tokens=20_000, cost=to_nanos(Decimal(1)))
UNHINDERED = 100_000
"""Requests per minute, of which the rate lets a sixth through at once."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Calls of such a size that one of the limits binds: words of the prompt, which is also the answer."""

    words: int
    max_tokens: int
    price: ModelPrice


CHEAP = ModelPrice(input=Decimal(1), output=Decimal(2))
DEAR = ModelPrice(input=Decimal(40), output=Decimal(120))
CALLS = {
    Measure.REQUESTS: Calls(words=40, max_tokens=60, price=CHEAP),
    Measure.TOKENS: Calls(words=250, max_tokens=400, price=CHEAP),
    Measure.COST: Calls(words=150, max_tokens=200, price=DEAR),
}


class Day:
    """A day on which the processes want more than the limits give."""

    def __init__(self, crew: Crew, provider: Provider, books: Books, home: Path, database: str) -> None:
        self._crew = crew
        self._provider = provider
        self._books = books
        self._home = home
        self._database = database

    def make_key(self) -> str:
        """Make a key whose quota is that of the worker otherwise; return its id."""

        async def make() -> str:
            config = OrchestratorConfig(home=self._home, database_url=self._database)
            async with open_keys(config) as keys:
                return (await keys.create("a", quota=QUOTA)).row.id

        return asyncio.run(make())

    def begin(self, calls: Calls, at_once: int, caller: str | None = None) -> Amounts:
        """Let all tasks be submitted, and wait for the calls that fit; return what one of them reserves."""
        order = Order(
            home=self._home,
            database=self._database,
            provider=self._provider.url,
            tasks=TASKS,
            at_once=at_once,
            quota=QUOTA if caller is None else UNLIMITED,
            rate_limit_per_minute=UNHINDERED,
            price=calls.price,
            prompt="a " * calls.words,
            max_tokens=calls.max_tokens,
            time_zone=zone_at_noon(),
            caller=caller,
        )
        call = self._crew.begin(order, PROCESSES).call
        self._crew.go()
        fitting = min(PROCESSES * at_once, *(LIMITS.of(one) // call.of(one) for one in Measure))
        self._provider.arrive(fitting)
        assert self._books.booked().open == fitting
        return call

    def kill_one(self) -> tuple[int, int]:
        """Kill the process with most calls under way; return its owner's number, and how many they are."""
        pid, owner, under_way = self._books.busiest()
        self._crew.kill(pid)
        return owner, under_way

    def go_on(self, call: Amounts, *, dead: Collection[int] = ()) -> int:
        """Let calls be answered until nothing more fits; return how many tasks have completed."""
        self._provider.open()
        completed = 0
        while not self._stands_still(call, completed, dead):
            self._crew.one_completed()
            completed += 1
        for one in self._crew.waiting():
            assert one.limited + one.completed == TASKS
        return completed

    def bury(self) -> None:
        """Wait until what the dead had open is settled by those who live."""
        deadline = time.monotonic() + PATIENCE
        while self._books.booked().open:
            assert time.monotonic() < deadline
            self._crew.waiting()

    def check(self, call: Amounts, binding: Measure, *, completed: int, lost: int = 0) -> None:
        """Compare the provider's count with the limits and with the ledger."""
        counted, total = self._provider.counted(CALLS[binding].price), self._books.total().amounts
        assert counted.requests == completed + lost
        assert lacking(total, call) == [binding]
        for measure in Measure:
            assert counted.of(measure) <= total.of(measure) <= LIMITS.of(measure)
            # what nobody can report stays as the estimate, and nothing else differs
            assert total.of(measure) - counted.of(measure) <= lost * call.of(measure)
        assert counted.of(binding) > LIMITS.of(binding) / 2

    def _stands_still(self, call: Amounts, completed: int, dead: Collection[int]) -> bool:
        booked = self._books.booked(of_the_dead=dead)
        return booked.open == 0 and booked.settled == completed and bool(lacking(booked.amounts, call))


def lacking(used: Amounts, call: Amounts) -> list[Measure]:
    """Return what there is not enough of for another call."""
    return [one for one in Measure if used.of(one) + call.of(one) > LIMITS.of(one)]


@pytest.fixture
def day(crew: Crew, provider: Provider, books: Books, tmp_path: Path, postgres_url: str) -> Day:
    return Day(crew, provider, books, tmp_path, postgres_url)


@pytest.mark.parametrize("binding", Measure)
def test_four_processes_together_pass_no_limit_and_use_it_up(day: Day, binding: Measure) -> None:
    call = day.begin(CALLS[binding], TASKS)
    completed = day.go_on(call)
    day.check(call, binding, completed=completed)


@pytest.mark.soak
def test_the_quota_of_a_key_holds_for_all_processes_that_run_its_tasks(day: Day) -> None:
    call = day.begin(CALLS[Measure.TOKENS], TASKS, caller=day.make_key())
    completed = day.go_on(call)
    day.check(call, Measure.TOKENS, completed=completed)


def check_with_a_kill(day: Day, binding: Measure) -> None:
    call = day.begin(CALLS[binding], 5)
    owner, lost = day.kill_one()
    assert lost == 5
    completed = day.go_on(call, dead=[owner])
    day.bury()
    day.check(call, binding, completed=completed, lost=lost)


def test_no_limit_is_passed_where_one_is_killed_in_the_middle(day: Day) -> None:
    check_with_a_kill(day, Measure.REQUESTS)


@pytest.mark.soak
@pytest.mark.parametrize("binding", [Measure.TOKENS, Measure.COST])
def test_the_same_holds_for_tokens_and_money(day: Day, binding: Measure) -> None:
    check_with_a_kill(day, binding)
