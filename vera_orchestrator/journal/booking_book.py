"""The sums of the ledger, read where they are about to be changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from vera_orchestrator.journal.booking import Span, use_of
from vera_orchestrator.journal.schema import rate_levels, usage_sums
from vera_orchestrator.journal.statements import Lookup, Statement
from vera_orchestrator.quota import Level
from vera_orchestrator.reservation import Amounts, Measure, Use
from vera_orchestrator.windows import SECOND

AT_ONCE = 16
"""Spans that one statement adds up at most."""


class SumStatements:
    """Statements that add up some number of spans, each compiled when it is first needed."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._by_number: dict[int, Statement] = {}
        columns = [usage_sums.c.start, *(usage_sums.c[name] for name in Measure)]
        self.levels = Lookup(select(rate_levels), rate_levels.c.name, dialect)
        self.uses = Statement(select(*columns).where(*_in_span(0)).order_by(usage_sums.c.start), dialect)

    def adding_up(self, number: int) -> Statement:
        """Return the statement for so many spans; its rows are numbered, in any order."""
        if number not in self._by_number:
            totals = [cast(func.coalesce(func.sum(usage_sums.c[name]), 0), BigInteger) for name in Measure]
            parts = [_total(place, totals) for place in range(number)]
            self._by_number[number] = Statement(union_all(*parts), self._dialect)
        return self._by_number[number]


class SQLBook:
    """What the database knows; see `booking.Book`."""

    def __init__(self, connection: Connection, statements: SumStatements) -> None:
        self._connection = connection
        self._statements = statements

    def sums(self, spans: Collection[Span]) -> Mapping[Span, Amounts]:
        """Add up spans, several with one statement."""
        wanted = list(spans)
        found: dict[Span, Amounts] = {}
        for begin in range(0, len(wanted), AT_ONCE):
            part = wanted[begin : begin + AT_ONCE]
            values = {name: value for place, span in enumerate(part) for name, value in _values(span, place).items()}
            for place, *sums in self._statements.adding_up(len(part)).fetch(self._connection, values):
                found[part[place]] = use_of(0, 1, *sums).amounts
        return found

    def uses(self, span: Span) -> Sequence[Use]:
        """Return the buckets of a span, in order."""
        rows = self._statements.uses.fetch(self._connection, _values(span, 0))
        return [use_of(start, span.width, *sums) for start, *sums in rows]

    def levels(self, names: Collection[str]) -> Mapping[str, Level]:
        """Return the levels of rates."""
        rows = self._statements.levels.fetch(self._connection, names)
        return {name: Level(tokens=tokens, at=at) for name, tokens, at in rows}


def _total(place: int, totals: Sequence[ColumnElement[int]]) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [literal_column(str(place), Integer), *totals]
    return select(*columns).where(*_in_span(place))


def _in_span(place: int) -> list[ColumnElement[bool]]:
    return [
        usage_sums.c.scope == bindparam(f"scope_{place}"),
        usage_sums.c.width == bindparam(f"width_{place}"),
        usage_sums.c.start >= bindparam(f"first_{place}"),
    ]


def _values(span: Span, place: int) -> dict[str, object]:
    return {f"scope_{place}": span.scope, f"width_{place}": span.width // SECOND, f"first_{place}": span.first}
