"""Limits on use over time, as pure values and decisions.

`reserve` decides over all scopes of a call at once (its worker's credential, its provider, the whole journal, named
budgets): it fits in all of them, or waits, or never fits. A ledger in a database takes the steps one by one: it sums
what `Limit.counted_from` says, asks `verdict`, and looks up the time only where something is lacking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from vera_orchestrator.models import APIQuota
from vera_orchestrator.money import limit_nanos, shown, usd
from vera_orchestrator.reservation import Amounts, Measure, Reservation, Use
from vera_orchestrator.usage import check_count
from vera_orchestrator.windows import Window, counted_from, counted_until, moment, zone_named

UNKNOWN_PRICE = "the price of this model is not known; set its price, or use a worker without a cost limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """The most of one measure in one window; money in nano-dollars."""

    measure: Measure
    window: Window
    most: int
    zone: ZoneInfo

    def counted_from(self, now: int, slack: int = 0) -> int:
        """Return the earliest time of a use that counts now."""
        return counted_from(self.window, now, self.zone, slack)

    def counted_until(self, at: int, slack: int = 0) -> int:
        """Return the first time at which a use no longer counts."""
        return counted_until(self.window, at, self.zone, slack)

    def shown(self, amount: int) -> str:
        """Return an amount for people, without its unit unless it is money."""
        return shown(amount) if self.measure is Measure.COST else str(amount)

    def __str__(self) -> str:
        unit = "" if self.measure is Measure.COST else f" {self.measure}"
        return f"{self.shown(self.most)}{unit} per {self.window}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one scope; None is unlimited. Money is in USD; the day is a calendar day of `zone` (IANA)."""

    requests_per_minute: int | None = None
    requests_per_hour: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    cost_per_day: Decimal | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Check the numbers and the zone; raises InvalidValue."""
        for name in _COUNTED:
            value = getattr(self, name)
            if value is not None:
                check_count(value, name)
        if self.cost_per_day is not None:
            object.__setattr__(self, "cost_per_day", usd(self.cost_per_day, field="cost_per_day"))
        zone_named(self.zone)

    @classmethod
    def of_quota(cls, quota: APIQuota, zone: str = "UTC") -> Limits:
        """Return a provider's quota as limits."""
        cost = quota.cost_limit_per_day
        return cls(
            **{name: getattr(quota, name) for name in _COUNTED},
            cost_per_day=None if cost is None else usd(cost, field="cost_limit_per_day"),
            zone=zone,
        )

    @property
    def are_none(self) -> bool:
        """Whether nothing is limited."""
        return not self._each

    def each(self) -> tuple[Limit, ...]:
        """Return those that are set."""
        return self._each

    @cached_property
    def _each(self) -> tuple[Limit, ...]:
        zone = zone_named(self.zone)
        limits = [
            Limit(measure=measure, window=window, most=getattr(self, name), zone=zone)
            for name, (measure, window) in _COUNTED.items()
            if getattr(self, name) is not None
        ]
        if self.cost_per_day is not None:
            most = limit_nanos(self.cost_per_day)
            limits.append(Limit(measure=Measure.COST, window=Window.DAY, most=most, zone=zone))
        return tuple(limits)


_COUNTED = {
    "requests_per_minute": (Measure.REQUESTS, Window.MINUTE),
    "requests_per_hour": (Measure.REQUESTS, Window.HOUR),
    "requests_per_day": (Measure.REQUESTS, Window.DAY),
    "tokens_per_minute": (Measure.TOKENS, Window.MINUTE),
    "tokens_per_day": (Measure.TOKENS, Window.DAY),
}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One name under which uses are counted, its limits, and the uses that may still count, in any order."""

    name: str
    limits: Limits
    uses: Sequence[Use] = ()


@dataclass(frozen=True, kw_only=True)
class Fits:
    """The call can go now."""

    at: int
    amounts: Amounts
    scopes: tuple[str, ...]

    def booked(self, *, key: str, owner: int | None = None) -> Reservation:
        """Return the reservation to keep."""
        return Reservation(at=self.at, amounts=self.amounts, scopes=self.scopes, key=key, owner=owner)


@dataclass(frozen=True, kw_only=True)
class WaitUntil:
    """The call can go at `time` (microseconds since 1970), unless others come first, and not before.

    `scope` is what has no room; with `any_size` it has none for a smaller call either.
    """

    time: int
    reason: str
    scope: str = ""
    any_size: bool = False


@dataclass(frozen=True, kw_only=True)
class Never:
    """The call is larger than a limit, or cannot be held against one."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A limit that has no room now: `excess` is how much must leave its window first."""

    scope: str
    limit: Limit
    used: int
    excess: int

    def wait(self, last_at: int, slack: int = 0) -> WaitUntil:
        """Return the wait for the use of this time, with which enough has left."""
        time, limit = self.limit.counted_until(last_at, slack), self.limit
        clock = moment(time).astimezone(limit.zone).isoformat(sep=" ", timespec="seconds")
        used = f"{limit.shown(self.used)} of {limit} used or reserved"
        return WaitUntil(
            time=time,
            reason=f"{self.scope}: {used}; there is room at {clock}",
            scope=self.scope,
            any_size=limit.measure is Measure.REQUESTS,
        )


def reserve(scopes: Sequence[Scope], now: int, amounts: Amounts, *, slack: int = 0) -> Fits | WaitUntil | Never:
    """Decide whether a call can go now: in all scopes or in none.

    `now` is in microseconds since 1970. Where several limits have no room, the latest time is the answer. Uses with
    times to come (of a clock that was set back) count.
    """
    waits: list[WaitUntil] = []
    for scope in scopes:
        found = verdict(scope.name, sums(scope, now, slack), amounts)
        if isinstance(found, Never):
            return found
        waits += [lack.wait(last_to_leave(lack, scope.uses, now, slack), slack) for lack in found]
    if waits:
        return max(waits, key=lambda wait: wait.time)
    return Fits(at=now, amounts=amounts, scopes=tuple(scope.name for scope in scopes))


def sums(scope: Scope, now: int, slack: int = 0) -> dict[Limit, int]:
    """Return what is used now of each limit of a scope."""
    return {limit: sum(used for _, used in _counted(limit, scope.uses, now, slack)) for limit in scope.limits.each()}


def verdict(scope: str, used: Mapping[Limit, int], amounts: Amounts) -> Never | tuple[Lack, ...]:
    """Return which limits of a scope have no room for these amounts, given what is used of each."""
    lacks: list[Lack] = []
    for limit, there in used.items():
        if limit.measure is Measure.COST and amounts.cost is None:
            return Never(reason=f"{scope}: a limit of {limit} cannot be kept, since {UNKNOWN_PRICE}")
        asked = amounts.of(limit.measure)
        if asked > limit.most:
            return Never(reason=f"{scope}: up to {limit.shown(asked)} needed, and the limit is {limit}")
        # what asks for nothing of a measure is not held up by it, even where more was used than was reserved
        if asked and there + asked > limit.most:
            lacks.append(Lack(scope=scope, limit=limit, used=there, excess=there + asked - limit.most))
    return tuple(lacks)


def last_to_leave(lack: Lack, uses: Iterable[Use], now: int, slack: int = 0) -> int:
    """Return the time of the use with which enough has left the window, the oldest leaving first."""
    missing = lack.excess
    for at, used in sorted(_counted(lack.limit, uses, now, slack)):
        missing -= used
        if missing <= 0:
            return at
    raise ValueError("the uses are not those that the lack was found in")


def _counted(limit: Limit, uses: Iterable[Use], now: int, slack: int) -> list[tuple[int, int]]:
    since, measure = limit.counted_from(now, slack), limit.measure
    return [(use.at, use.amounts.of(measure)) for use in uses if use.at >= since]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A rate with a burst: so many tokens come back each second, up to the burst."""

    per_second: float
    burst: float

    @staticmethod
    def per_minute(rate: float, burst: float | None = None) -> Rate:
        """Return the rate; without a burst, a sixth of the minute's tokens and at least 10."""
        return Rate(per_second=rate / 60, burst=max(10.0, rate / 6) if burst is None else burst)


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """How many tokens a bucket held at a time (seconds of any clock that its users share)."""

    tokens: float
    at: float


def tokens_at(rate: Rate, level: Level, now: float) -> float:
    """Return the tokens there are; a clock that is set back gives none."""
    return min(rate.burst, level.tokens + max(0.0, now - level.at) * rate.per_second)


def take(rate: Rate, level: Level, now: float) -> Level | None:
    """Return the level after one token is taken; None if there is none."""
    tokens = tokens_at(rate, level, now)
    # a millionth is forgiven, so that a wait computed by `ready_at` is always long enough
    return Level(tokens=tokens - 1, at=max(now, level.at)) if tokens >= 1 - 1e-6 else None


def ready_at(rate: Rate, level: Level, now: float) -> float:
    """Return the time at which a token will be there."""
    missing = 1 - tokens_at(rate, level, now)
    return now if missing <= 0 else now + missing / rate.per_second


class TokenBucket:
    """A rate with a burst that keeps its level itself; times are seconds of any steady clock."""

    def __init__(self, rate_per_minute: float, *, now: float, burst: float | None = None) -> None:
        self._rate = Rate.per_minute(rate_per_minute, burst)
        self._level = Level(tokens=self._rate.burst, at=now)

    @property
    def rate(self) -> float:
        """The tokens that come back each second."""
        return self._rate.per_second

    @property
    def burst(self) -> float:
        """The most tokens that there can be."""
        return self._rate.burst

    def available(self, now: float) -> float:
        """Return the tokens there are."""
        return tokens_at(self._rate, self._level, now)

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        after = take(self._rate, self._level, now)
        if after is not None:
            self._level = after
        return after is not None

    def ready_at(self, now: float) -> float:
        """Return the time at which a token will be there."""
        return ready_at(self._rate, self._level, now)
