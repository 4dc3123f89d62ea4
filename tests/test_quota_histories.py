"""What holds for every history of a ledger: interleaved calls, crashes, a clock that is set back, a day of 25 hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.quota import Fits, Limits, Never, Scope, WaitUntil, reserve
from vera_orchestrator.reservation import (
    Amounts,
    Measure,
    Reservation,
    ReservationState,
    Use,
    bucketed,
    settle,
    settle_orphans,
)
from vera_orchestrator.windows import SECOND, SLIDING, Window, micros, moment

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

some_limits = st.builds(
    Limits,
    requests_per_minute=st.none() | st.integers(1, 4),
    requests_per_hour=st.none() | st.integers(1, 6),
    requests_per_day=st.none() | st.integers(1, 9),
    tokens_per_minute=st.none() | st.integers(1, 60),
    tokens_per_day=st.none() | st.integers(1, 200),
    cost_per_day=st.none() | st.decimals("0.000000001", "0.0000001", places=9),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu"]),
)
some_amounts = st.builds(Amounts, tokens=st.integers(0, 40), cost=st.integers(0, 60))
OWNERS = (1, 2, 3)
ONE_CALL = Amounts()
# ten seconds before midnight in Berlin, where the next day has 25 h
EVENING = micros(moment(0).replace(year=2026, month=10, day=24, hour=22)) - 10 * SECOND


def decide(limits: Limits, uses: Iterable[Use], amounts: Amounts, *, now: int) -> Fits | WaitUntil | Never:
    return reserve([Scope(name="key", limits=limits, uses=list(uses))], now, amounts)


# what happens next: a call is offered, one is settled, an owner dies; time goes on, or the clock is set back
steps = st.lists(
    st.tuples(
        st.sampled_from(["offer", "offer", "offer", "settle", "crash"]),
        some_amounts,
        st.integers(0, 10**6),
        st.one_of(st.integers(0, 20 * SECOND), st.sampled_from([0, MINUTE, 7 * HOUR, -HOUR, -1])),
    ),
    max_size=40,
)


@dataclass
class Ledger:
    """A ledger as short as it can be, for one history."""

    scopes: dict[str, Limits]
    slack: int = 0
    now: int = EVENING
    rows: dict[str, Reservation] = field(default_factory=dict[str, Reservation])

    def seen(self) -> list[Scope]:
        rows = list(self.rows.values())
        return [
            Scope(name=name, limits=limits, uses=[row for row in rows if name in row.scopes])
            for name, limits in self.scopes.items()
        ]

    def open(self) -> list[Reservation]:
        return [row for row in self.rows.values() if row.state is ReservationState.RESERVED]

    def offer(self, amounts: Amounts, choice: int) -> None:
        verdict = reserve(self.seen(), self.now, amounts, slack=self.slack)
        if isinstance(verdict, Fits):
            key = str(len(self.rows))
            self.rows[key] = verdict.booked(key=key, owner=OWNERS[choice % len(OWNERS)])

    def settle(self, amounts: Amounts, choice: int) -> None:
        rows = self.open()
        if rows:
            row = rows[choice % len(rows)]
            tokens = min(amounts.tokens, row.amounts.tokens)
            actual = Amounts(requests=choice % 2, tokens=tokens, cost=0 if choice % 3 else None)
            self.rows[row.key] = settle(row, actual)

    def crash(self, _: Amounts, choice: int) -> None:
        dead = OWNERS[choice % len(OWNERS)]
        for row in settle_orphans(self.rows.values(), living=set(OWNERS) - {dead}):
            self.rows[row.key] = row

    def step(self, what: str, amounts: Amounts, choice: int, later: int) -> None:
        {"offer": self.offer, "settle": self.settle, "crash": self.crash}[what](amounts, choice)
        self.now += later


def over(limits: Limits, uses: Iterable[Use]) -> list[str]:
    """Return the limits that are passed in any window at all, found the slow way."""
    uses = list(uses)
    zone = ZoneInfo(limits.zone)
    passed: list[str] = []
    for limit in limits.each():
        for end in uses:
            if limit.window is Window.DAY:
                today = moment(end.at).astimezone(zone).date()
                inside = [use for use in uses if moment(use.at).astimezone(zone).date() == today]
            else:
                inside = [use for use in uses if end.at - SLIDING[limit.window] < use.at <= end.at]
            if sum(use.amounts.of(limit.measure) for use in inside) > limit.most:
                passed.append(str(limit))
    return passed


@given(some_limits, some_limits, steps)
def test_no_interleaving_passes_a_limit_in_any_window(
    one: Limits, other: Limits, history: list[tuple[str, Amounts, int, int]]
) -> None:
    ledger = Ledger(scopes={"key": one, "journal": other})
    for step in history:
        ledger.step(*step)
        for limits in (one, other):
            assert over(limits, ledger.rows.values()) == []


@given(some_limits, steps, st.integers(0, 3 * SECOND))
def test_the_providers_own_count_of_arrivals_keeps_the_limit(
    limits: Limits, history: list[tuple[str, Amounts, int, int]], slack: int
) -> None:
    ledger = Ledger(scopes={"key": limits}, slack=slack)
    for what, amounts, choice, later in history:
        ledger.step(what, amounts, choice, abs(later))
    arrivals = [
        Use(at=row.at + int(key) * 7_919_317 % (slack + 1), amounts=row.amounts) for key, row in ledger.rows.items()
    ]
    assert over(limits, arrivals) == []


@given(some_limits, some_limits, steps, some_amounts, st.integers(0, 2 * SECOND))
def test_a_wait_is_as_long_as_it_must_be_and_no_longer(
    one: Limits, other: Limits, history: list[tuple[str, Amounts, int, int]], amounts: Amounts, slack: int
) -> None:
    ledger = Ledger(scopes={"key": one, "journal": other}, slack=slack)
    for step in history:
        ledger.step(*step)
    verdict = reserve(ledger.seen(), ledger.now, amounts, slack=slack)
    if isinstance(verdict, WaitUntil):
        assert verdict.time > ledger.now
        assert isinstance(reserve(ledger.seen(), verdict.time, amounts, slack=slack), Fits)
        assert isinstance(reserve(ledger.seen(), verdict.time - 1, amounts, slack=slack), WaitUntil)


@given(
    some_limits, st.lists(st.builds(Use, at=st.integers(EVENING, EVENING + MINUTE), amounts=some_amounts)), some_amounts
)
def test_never_is_said_of_what_would_not_fit_even_alone(limits: Limits, uses: list[Use], amounts: Amounts) -> None:
    alone = decide(limits, [], amounts, now=EVENING)
    verdict = decide(limits, uses, amounts, now=EVENING + MINUTE)
    assert isinstance(verdict, Never) == isinstance(alone, Never)
    assert not isinstance(alone, WaitUntil)


@given(some_limits, steps, some_amounts)
def test_buckets_of_a_second_are_as_safe_and_wait_less_than_a_second_longer(
    limits: Limits, history: list[tuple[str, Amounts, int, int]], amounts: Amounts
) -> None:
    ledger = Ledger(scopes={"key": limits})
    for step in history:
        ledger.step(*step)
    uses = ledger.rows.values()
    exact = decide(limits, uses, amounts, now=ledger.now)
    coarse = decide(limits, bucketed(uses, SECOND), amounts, now=ledger.now)
    if isinstance(exact, Fits):
        assert isinstance(coarse, Fits) or (isinstance(coarse, WaitUntil) and coarse.time < ledger.now + SECOND)
    elif isinstance(exact, WaitUntil):
        assert isinstance(coarse, WaitUntil)
        assert exact.time <= coarse.time < exact.time + SECOND
    else:
        assert coarse == exact


@given(
    some_limits, some_amounts, st.lists(st.builds(Use, at=st.integers(EVENING, EVENING + HOUR), amounts=some_amounts))
)
def test_settling_gives_back_no_more_room_than_was_held(limits: Limits, actual: Amounts, uses: list[Use]) -> None:
    held = Reservation(at=EVENING, amounts=Amounts(tokens=20, cost=30), key="a", scopes=("openai",))
    after = settle(held, actual)
    for measure in Measure:
        room = held.amounts.of(measure) - after.amounts.of(measure)
        assert room <= held.amounts.of(measure)
    # what fits beside the settled call would have fitted had there been no call
    if isinstance(decide(limits, [*uses, after], ONE_CALL, now=EVENING + HOUR), Fits):
        assert isinstance(decide(limits, uses, ONE_CALL, now=EVENING + HOUR), Fits)
