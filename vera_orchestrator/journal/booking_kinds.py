"""The ledger's writes in the path of every metered attempt: reserve and settle, many at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, bindparam, case, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vera_orchestrator.journal import ledger_rows, refusals, storable
from vera_orchestrator.journal.booking import FINE, MEASURES, Bucket, Sheet, buckets_of, counted, numbers
from vera_orchestrator.journal.booking_book import SQLBook, SumStatements
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.journal.ledger_rows import Entry
from vera_orchestrator.journal.records import NO_NEWS, News
from vera_orchestrator.journal.schema import owners, rate_levels, usage, usage_sums
from vera_orchestrator.journal.statements import Lookup, Statement
from vera_orchestrator.metering import Spent
from vera_orchestrator.quota import Fits, Level, Never, WaitUntil
from vera_orchestrator.windows import SECOND

_INSERTS: Mapping[str, Callable[..., Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_NAMES = tuple(measure.value for measure in MEASURES)
_MORE = tuple(f"more_{name}" for name in _NAMES)
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One call of `reserve`."""

    booking: Booking
    slack: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One call of `settle`."""

    key: str
    spent: Spent | None


class Reserve:
    """Decides bookings one after the other over what was read once, and writes those that fit together."""

    def __init__(self, dialect: Dialect, now: Callable[[], ColumnElement[float]]) -> None:
        self._clock = Statement(select(now()), dialect)
        self._owners = Statement(select(owners.c.number, now()), dialect)
        self._times = Lookup(select(usage.c.key, usage.c.at), usage.c.key, dialect)
        self._sums = SumStatements(dialect)
        self._insert = Statement(insert(usage), dialect)
        self._add = Statement(_upsert(dialect), dialect)
        fresh = _INSERTS[dialect.name](rate_levels)
        level = {"tokens": fresh.excluded.tokens, "at": fresh.excluded.at}
        self._set_level = Statement(fresh.on_conflict_do_update(index_elements=["name"], set_=level), dialect)

    def subject(self, item: Asked) -> str:
        """Bookings of one group may pass what is written about tasks, as no booking depends on that."""
        return item.booking.key

    def is_alone(self, item: Asked) -> bool:
        """Between adding up and writing nobody else may reserve."""
        return True

    def news(self, item: Asked) -> News:
        """There is nothing in it for others."""
        return NO_NEWS

    def one(self, connection: Connection, item: Asked) -> Fits | WaitUntil | Never:
        """Decide one booking."""
        (outcome,) = self.many(connection, [item])
        return outcome

    def many(self, connection: Connection, items: Sequence[Asked]) -> Sequence[Fits | WaitUntil | Never]:
        """Decide bookings in their order; raises LeaseLost if one owner was removed."""
        for item in items:
            ledger_rows.check_booking(item.booking)
        now = self._time(connection, {item.booking.owner for item in items})
        known: dict[str, int] = dict(self._times.fetch(connection, [item.booking.key for item in items]))
        fresh = [(item.booking, item.slack) for item in items if item.booking.key not in known]
        sheet = Sheet(SQLBook(connection, self._sums), now, fresh)
        granted: list[Booking] = []
        outcomes: list[Fits | WaitUntil | Never] = []
        for item in items:
            booking = item.booking
            if booking.key in known:  # its answer was lost, or it came twice
                at = known[booking.key]
                outcomes.append(Fits(at=at, amounts=booking.amounts, scopes=tuple(booking.scopes)))
                continue
            outcome = sheet.decide(booking, item.slack)
            if isinstance(outcome, Fits):
                known[booking.key] = now
                granted.append(booking)
            outcomes.append(outcome)
        if granted:
            self._write(connection, granted, now, sheet.levels)
        return outcomes

    def count(self, connection: Connection, scope: str, requests: int, per_minute: int) -> Fits | WaitUntil | Never:
        """Count requests of a scope if they fit; nobody else may write meanwhile."""
        ((seconds,),) = self._clock.fetch(connection, {})
        now = round(seconds * SECOND)
        outcome = counted(SQLBook(connection, self._sums), now, scope, requests, per_minute)
        if isinstance(outcome, Fits):
            bucket = Bucket(scope, FINE, now // FINE * FINE)
            self._add.run(connection, [_sum_values(bucket, numbers(outcome.amounts), now)])
        return outcome

    def _time(self, connection: Connection, named: Collection[int]) -> int:
        """Return the store's time; raises LeaseLost for an owner that was removed."""
        rows = self._owners.fetch(connection, {})
        removed = set(named) - {number for number, _ in rows}
        if removed:
            raise refusals.lease_lost(min(removed))
        return round(rows[0][1] * SECOND)

    def _write(self, connection: Connection, granted: Sequence[Booking], now: int, levels: Mapping[str, Level]) -> None:
        entries = [ledger_rows.entry_of(booking, now) for booking in granted]
        self._insert.run(connection, [ledger_rows.entry_values(entry) for entry in entries])
        added = _Difference()
        for entry in entries:
            added.add(entry, 1)
        rows = [_sum_values(bucket, sums, now) for bucket, sums in added.by_bucket().items()]
        if rows:
            self._add.run(connection, rows)
        if levels:
            changed = [{"name": name, "tokens": level.tokens, "at": level.at} for name, level in levels.items()]
            self._set_level.run(connection, changed)


class Settle:
    """Puts what was used in place of what was reserved."""

    def __init__(self, dialect: Dialect) -> None:
        self._entries = Lookup(select(usage), usage.c.key, dialect)
        columns = ("state", "requests", "tokens", "cost", "input", "output", "cache_read", "cache_write", "reasoning")
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*columns, "estimated")}
        self._names = tuple(values)
        change = update(usage).where(usage.c.key == bindparam("the_key")).values(values)
        self._update = Statement(change, dialect)
        more = {name: usage_sums.c[name] + bindparam(f"more_{name}") for name in MEASURES}
        self._adjust = Statement(
            update(usage_sums)
            .where(
                usage_sums.c.scope == bindparam("the_scope"),
                usage_sums.c.width == bindparam("the_width"),
                usage_sums.c.start == bindparam("the_start"),
            )
            .values(more),
            dialect,
        )

    def subject(self, item: Report) -> str:
        """It is about its booking."""
        return item.key

    def is_alone(self, item: Report) -> bool:
        """Sums of several scopes, changed by several processes at once, would wait for each other in a circle."""
        return True

    def news(self, item: Report) -> News:
        """There is nothing in it for others."""
        return NO_NEWS

    def one(self, connection: Connection, item: Report) -> bool:
        """Settle one booking."""
        (outcome,) = self.many(connection, [item])
        return outcome

    def many(self, connection: Connection, items: Sequence[Report]) -> Sequence[bool]:
        """Settle bookings in their order."""
        for item in items:
            storable.check_key("key", item.key)
        rows = self._entries.fetch(connection, [item.key for item in items])
        entries = {row[0]: ledger_rows.entry_row(row) for row in rows}
        before = dict(entries)
        outcomes: list[bool] = []
        for item in items:
            entry = entries.get(item.key)
            after = None if entry is None else ledger_rows.settled(entry, item.spent)
            if after is not None:
                entries[item.key] = after
            outcomes.append(after is not None)
        changed = [entry for key, entry in entries.items() if entry is not before[key]]
        if changed:
            self._update.run(connection, [self._values(entry) for entry in changed])
        difference = _Difference()
        for entry in changed:
            difference.add(entry, 1)
            difference.add(before[entry.key], -1)
        rows = [_more_values(bucket, sums) for bucket, sums in difference.by_bucket().items() if any(sums)]
        if rows:
            self._adjust.run(connection, rows)
        return outcomes

    def _values(self, entry: Entry) -> dict[str, Any]:
        values = ledger_rows.entry_values(entry)
        return {"the_key": entry.key, **{f"new_{name}": values[name] for name in self._names}}


class _Difference:
    """What is added to the sums of buckets, first of all by scopes and time, which many entries have in common."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[tuple[str, ...], int], list[int]] = {}

    def add(self, entry: Entry, sign: int) -> None:
        _add_up(self._by_place, (entry.scopes, entry.at), [sign * number for number in numbers(entry.amounts)])

    def by_bucket(self) -> Mapping[Bucket, Sequence[int]]:
        found: dict[Bucket, list[int]] = {}
        for (scopes, at), more in self._by_place.items():
            for bucket in buckets_of(scopes, at):
                _add_up(found, bucket, more)
        return found


def _add_up(sums: dict[Key, list[int]], key: Key, more: Sequence[int]) -> None:
    there = sums.get(key)
    sums[key] = list(more) if there is None else [one + other for one, other in zip(there, more, strict=True)]


def _upsert(dialect: Dialect) -> Any:
    fresh = _INSERTS[dialect.name](usage_sums)
    more: dict[str, Any] = {name: usage_sums.c[name] + fresh.excluded[name] for name in MEASURES}
    # a clock that was set back does not take back what was the last time
    is_later = fresh.excluded.last_at > usage_sums.c.last_at
    last = case((is_later, fresh.excluded.last_at), else_=usage_sums.c.last_at)
    return fresh.on_conflict_do_update(index_elements=["scope", "width", "start"], set_={**more, "last_at": last})


def _sum_values(bucket: Bucket, sums: Sequence[int], now: int) -> dict[str, Any]:
    place = {"scope": bucket.scope, "width": bucket.width // SECOND, "start": bucket.start, "last_at": now}
    return {**place, **dict(zip(_NAMES, sums, strict=True))}


def _more_values(bucket: Bucket, sums: Sequence[int]) -> dict[str, Any]:
    place = {"the_scope": bucket.scope, "the_width": bucket.width // SECOND, "the_start": bucket.start}
    return {**place, **dict(zip(_MORE, sums, strict=True))}
