"""What is reserved before a call, and what replaces it after the call."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Self

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.money import to_nanos
from vera_orchestrator.usage import Usage, check_count


class Measure(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    COST = "cost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """What is used of each measure; `cost` in nano-dollars, None if it is not known. Raises InvalidValue below 0."""

    requests: int = 1
    tokens: int = 0
    cost: int | None = 0

    def __post_init__(self) -> None:
        """Check the amounts."""
        check_count(self.requests, Measure.REQUESTS)
        check_count(self.tokens, Measure.TOKENS)
        if self.cost is not None:
            check_count(self.cost, Measure.COST)

    @classmethod
    def of_call(cls, usage: Usage, price: Decimal | None) -> Self:
        """Return what one call used; the price in USD."""
        return cls(tokens=usage.tokens, cost=None if price is None else to_nanos(price))

    def of(self, measure: Measure) -> int:
        """Return the amount of a measure; what is not known adds nothing."""
        if measure is Measure.COST:
            return 0 if self.cost is None else self.cost
        return self.requests if measure is Measure.REQUESTS else self.tokens


class ReservationState(StrEnum):
    """How far the amounts of a reservation are known."""

    RESERVED = "reserved"
    SETTLED = "settled"
    ESTIMATED = "estimated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Amounts that count as used at a time (microseconds since 1970)."""

    at: int
    amounts: Amounts


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation(Use):
    """What one attempt holds of the limits of its scopes, until it is settled and after.

    `key` names the attempt, `owner` the process that will settle it. The time stays that of the reservation.
    """

    key: str
    scopes: tuple[str, ...]
    owner: int | None = None
    state: ReservationState = ReservationState.RESERVED


def settle(reservation: Reservation, actual: Amounts | None, *, estimated: bool = False) -> Reservation:
    """Replace what was reserved by what was used.

    Usage that is not reported is not zero: without `actual` the reserved amounts stay, as does the reserved cost where
    the actual one is not known, both marked as estimates. `estimated` marks amounts that are known in part. Amounts
    above the reserved ones are kept as they are. An estimate may be settled again, by what turns up late; raises
    InvalidValue for a reservation that is settled.
    """
    if reservation.state is ReservationState.SETTLED:
        raise InvalidValue("It is settled already.", field=reservation.key)
    if actual is None:
        return replace(reservation, state=ReservationState.ESTIMATED)
    if actual.cost is None and reservation.amounts.cost is not None:
        actual, estimated = replace(actual, cost=reservation.amounts.cost), True
    state = ReservationState.ESTIMATED if estimated else ReservationState.SETTLED
    return replace(reservation, amounts=actual, state=state)


def settle_orphans(reservations: Iterable[Reservation], living: Collection[int]) -> tuple[Reservation, ...]:
    """Return the open reservations of owners that are gone, settled as estimates."""
    return tuple(
        settle(one, None)
        for one in reservations
        if one.state is ReservationState.RESERVED and one.owner is not None and one.owner not in living
    )


def bucketed(uses: Iterable[Use], width: int) -> tuple[Use, ...]:
    """Return the sums of uses over buckets of `width` microseconds, in order of time.

    Each bucket counts at its last microsecond, so that limits hold as exactly as over the uses themselves and a wait is
    longer by less than the width.
    """
    sums: dict[int, list[int]] = {}
    for use in uses:
        amounts = use.amounts
        total = sums.setdefault(use.at // width, [0, 0, 0])
        total[0] += amounts.requests
        total[1] += amounts.tokens
        total[2] += amounts.cost or 0
    return tuple(
        Use(at=number * width + width - 1, amounts=Amounts(requests=requests, tokens=tokens, cost=cost))
        for number, (requests, tokens, cost) in sorted(sums.items())
    )
