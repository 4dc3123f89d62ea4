"""What is asked of the ledger aside from reservations, and its upkeep: functions of a connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from vera_orchestrator.journal.booking import COARSE, FINE, Bucket, use_of
from vera_orchestrator.journal.ledger import Kept, Total
from vera_orchestrator.journal.ledger_rows import entry_row
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.schema import answers, is_reserved, usage, usage_sums
from vera_orchestrator.reservation import Measure
from vera_orchestrator.windows import SECOND

FINE_KEPT = 2 * 3600 * SECOND
"""Microseconds for which the sums of single seconds are kept, which only count for a minute and the slack."""


class Old(NamedTuple):
    """What can be deleted."""

    uses: Sequence[str]
    buckets: Sequence[Bucket]
    answers: Sequence[str]


def totals(connection: Connection, scopes: Collection[str], since: int) -> Mapping[str, Total]:
    """Return what scopes have used since the beginning of a minute."""
    table = usage_sums.c
    sums = [func.sum(table[name]).label(name) for name in Measure]
    found: dict[str, Total] = {}
    for part in chunks(scopes):
        query = select(table.scope, func.max(table.last_at).label("last_at"), *sums).group_by(table.scope)
        is_in = (table.scope.in_(part), table.width == COARSE // SECOND, table.start >= since // COARSE * COARSE)
        for row in connection.execute(query.where(*is_in)):
            amounts = use_of(0, 1, int(row.requests), int(row.tokens), int(row.cost)).amounts
            found[row.scope] = Total(amounts=amounts, last_at=row.last_at)
    return found


def kept(connection: Connection, task: int) -> list[Kept]:
    """Return the attempts of a task."""
    query = select(usage).where(usage.c.task == task).order_by(usage.c.at, usage.c.key)
    return [entry_row(row) for row in connection.execute(query)]


def answer(connection: Connection, key: str, since: float) -> str | None:
    """Return an answer that is not too old."""
    query = select(answers.c.result).where(answers.c.key == key, answers.c.at >= since)
    return connection.execute(query).scalar()


def keep_answer(connection: Connection, key: str, text: str, at: float) -> None:
    """Put an answer in place of an earlier one; no other process may write meanwhile."""
    connection.execute(delete(answers).where(answers.c.key == key))
    connection.execute(insert(answers).values(key=key, at=at, result=text))


def old(connection: Connection, before: int, answers_before: float, limit: int, now: ColumnElement[float]) -> Old:
    """Return what can be deleted, up to `limit` of each kind."""
    fine_before = max(before, round(connection.execute(select(now)).scalar_one() * SECOND) - FINE_KEPT)
    uses = select(usage.c.key).where(usage.c.at < before, ~is_reserved)
    kept_answers = select(answers.c.key).where(answers.c.at < answers_before).order_by(answers.c.at)
    return Old(
        uses=connection.execute(uses.order_by(usage.c.at).limit(limit)).scalars().all(),
        buckets=[
            *_old_buckets(connection, FINE, fine_before, limit),
            *_old_buckets(connection, COARSE, before, limit),
        ][:limit],
        answers=connection.execute(kept_answers.limit(limit)).scalars().all(),
    )


def _old_buckets(connection: Connection, width: int, before: int, limit: int) -> list[Bucket]:
    table = usage_sums.c
    has_ended = (table.width == width // SECOND, table.start <= before - width)
    rows = connection.execute(select(table.scope, table.start).where(*has_ended).limit(limit))
    return [Bucket(scope, width, start) for scope, start in rows]


def delete_old(connection: Connection, old: Old) -> int:
    """Delete it; return how many rows."""
    count = 0
    for keys in chunks(old.uses):
        # what was an estimate may have been settled meanwhile, and is as old as before
        count += connection.execute(delete(usage).where(usage.c.key.in_(keys))).rowcount
    by_place: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for bucket in old.buckets:
        by_place[bucket.scope, bucket.width // SECOND].append(bucket.start)
    table = usage_sums.c
    for (scope, width), found in by_place.items():
        for starts in chunks(found):
            gone = delete(usage_sums).where(table.scope == scope, table.width == width, table.start.in_(starts))
            count += connection.execute(gone).rowcount
    for keys in chunks(old.answers):
        # one that was kept anew meanwhile goes too: it is only a cache
        count += connection.execute(delete(answers).where(answers.c.key.in_(keys))).rowcount
    return count
