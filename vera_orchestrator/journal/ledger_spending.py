"""Queries of the SQL ledger about spending and limits: functions of a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, case, func, select

from vera_orchestrator.journal import accounts
from vera_orchestrator.journal.booking_book import SQLBook, SumStatements
from vera_orchestrator.journal.schema import usage
from vera_orchestrator.journal.spending import Dimension, Spending, SpendingQuery, Standing
from vera_orchestrator.quota import Limits
from vera_orchestrator.reservation import ReservationState
from vera_orchestrator.usage import COUNTS, Usage
from vera_orchestrator.windows import SECOND

_TABLE = usage.c
_SUMS = [
    func.sum(_TABLE.requests).label("requests"),
    func.sum(_TABLE.tokens).label("tokens"),
    func.sum(func.coalesce(_TABLE.cost, 0)).label("cost"),
    *(func.sum(func.coalesce(_TABLE[name], 0)).label(name) for name in COUNTS),
    func.sum(case((_TABLE.state == ReservationState.SETTLED.value, 0), else_=_TABLE.requests)).label("estimated"),
    func.sum(case((_TABLE.cost.is_(None), _TABLE.requests), else_=0)).label("unpriced"),
]


def spending(connection: Connection, query: SpendingQuery) -> list[Spending]:
    """Return what was used, told apart as the query says."""
    return accounts.merged(_found(connection, query), query)


def _found(connection: Connection, query: SpendingQuery) -> Iterator[tuple[Spending, Sequence[str]]]:
    names = [_TABLE[accounts.NAMES[one]] for one in sorted(query.by) if one in accounts.NAMES]
    if Dimension.TAG in query.by:
        names.append(_TABLE.tags)
    matching = select(*names, *_SUMS).group_by(*names).having(func.count() > 0)
    if query.caller is not None:
        matching = matching.where(_TABLE.caller == query.caller)
    for place, (since, until) in enumerate(query.periods):
        for row in connection.execute(matching.where(_TABLE.at >= since, _TABLE.at < until)).mappings():
            yield _spending(place, row), json.loads(row.get("tags") or "[]")


def _spending(period: int, row: RowMapping) -> Spending:
    return Spending(
        period=period,
        **{name: row.get(name) for name in accounts.NAMES.values()},
        requests=int(row["requests"]),
        tokens=int(row["tokens"]),
        cost=int(row["cost"]),
        usage=Usage.from_json({name: int(row[name]) for name in COUNTS}),
        estimated_requests=int(row["estimated"]),
        unpriced_requests=int(row["unpriced"]),
    )


def standing(
    connection: Connection, statements: SumStatements, now: ColumnElement[float], asked: Sequence[tuple[str, Limits]]
) -> list[Standing]:
    """Return how much is used now of each limit that is set."""
    at = round(connection.execute(select(now)).scalar_one() * SECOND)
    return accounts.standings(SQLBook(connection, statements), at, asked)
