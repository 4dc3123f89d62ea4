"""What the ledger keeps of one attempt, and how it changes; the same for every store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from vera_orchestrator import money, reservation
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal import storable
from vera_orchestrator.journal.ledger import Booking, Kept
from vera_orchestrator.journal.schema import usage
from vera_orchestrator.metering import Spent
from vera_orchestrator.reservation import Amounts, Measure, Reservation, ReservationState
from vera_orchestrator.usage import COUNTS, Usage

MOST = {Measure.REQUESTS: 1 << 40, Measure.TOKENS: 1 << 40, Measure.COST: 1 << 53}
"""What one attempt can use at most (a million million tokens, 9 million USD): sums of it stay below 64 bits."""


_COLUMNS = tuple(usage.c.keys())


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry(Kept):
    """One attempt as it is stored: what the port shows of it, whose it is, and what it counts against."""

    owner: int
    scopes: tuple[str, ...]


def check_booking(booking: Booking) -> None:
    """Raise InvalidValue, naming the field, unless a booking can be stored."""
    for field, text in [("key", booking.key), *(("scope", name) for name in (*booking.scopes, *booking.rates))]:
        storable.check_key(field, text)
    texts = {"worker_id": booking.worker_id, "provider": booking.provider, "model": booking.model}
    texts |= {"caller": booking.caller, "tags": "".join(booking.tags)}
    storable.check({**texts, "task": booking.task})
    check_amounts(booking.amounts)


def check_amounts(amounts: Amounts) -> None:
    """Raise InvalidValue for what no attempt can use."""
    for measure, most in MOST.items():
        if amounts.of(measure) > most:
            raise InvalidValue(f"{amounts.of(measure):,} is more than one call can use.", field=measure.value)


def entry_of(booking: Booking, at: int) -> Entry:
    """Return what to store of a booking that was granted."""
    return Entry(
        key=booking.key,
        at=at,
        task=booking.task,
        owner=booking.owner,
        worker_id=booking.worker_id,
        provider=booking.provider,
        model=booking.model,
        state=ReservationState.RESERVED,
        amounts=booking.amounts,
        caller=booking.caller,
        tags=tuple(booking.tags),
        scopes=tuple(booking.scopes),
    )


def settled(entry: Entry, spent: Spent | None) -> Entry | None:
    """Return an entry with what was used in place of what was reserved; None if it is settled already.

    Raises InvalidValue for a report that cannot be true.
    """
    if entry.state is ReservationState.SETTLED:
        return None
    held = Reservation(at=entry.at, amounts=entry.amounts, key=entry.key, scopes=entry.scopes, state=entry.state)
    if spent is None:
        return replace(entry, state=reservation.settle(held, None).state)
    cost = None if spent.cost is None else money.to_nanos(money.usd(spent.cost, field=Measure.COST))
    # tokens that nobody has reported are those that were reserved
    tokens = entry.amounts.tokens if spent.usage is None else spent.usage.tokens
    actual = Amounts(requests=spent.requests, tokens=tokens, cost=cost)
    check_amounts(actual)
    after = reservation.settle(held, actual, estimated=spent.usage is None or spent.usage.estimated)
    return replace(entry, amounts=after.amounts, state=after.state, usage=spent.usage or entry.usage)


def entry_values(entry: Entry) -> dict[str, Any]:
    """Return the columns of an entry."""
    usage = entry.usage
    return {
        "key": entry.key,
        "at": entry.at,
        "task": entry.task,
        "owner": entry.owner,
        "worker_id": entry.worker_id,
        "provider": entry.provider,
        "model": entry.model,
        "state": entry.state.value,
        "requests": entry.amounts.requests,
        "tokens": entry.amounts.tokens,
        "cost": entry.amounts.cost,
        **{name: None if usage is None else getattr(usage, name) for name in (*COUNTS, "estimated")},
        "caller": entry.caller,
        "tags": orjson.dumps(entry.tags).decode() if entry.tags else None,
        "scopes": orjson.dumps(entry.scopes).decode(),
    }


def entry_row(columns: Sequence[Any]) -> Entry:
    """Return the entry of a row with all columns in their order; a driver may give truth values as numbers."""
    row = dict(zip(_COLUMNS, columns, strict=True))
    is_reported = row["estimated"] is not None
    counts = {name: row[name] for name in COUNTS} if is_reported else {}
    return Entry(
        key=row["key"],
        at=row["at"],
        task=row["task"],
        owner=row["owner"],
        worker_id=row["worker_id"],
        provider=row["provider"],
        model=row["model"],
        state=ReservationState(row["state"]),
        amounts=Amounts(requests=row["requests"], tokens=row["tokens"], cost=row["cost"]),
        caller=row["caller"],
        tags=tuple(orjson.loads(row["tags"])) if row["tags"] else (),
        scopes=tuple(orjson.loads(row["scopes"])),
        usage=Usage(**counts, estimated=bool(row["estimated"])) if is_reported else None,
    )
