"""Queries of the SQL journal: functions of a connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import eq, ge, lt
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, Connection, Select, func, literal, null, select, union_all

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.records import (
    BatchCounts,
    BatchQuery,
    BatchRow,
    Counts,
    HistoryQuery,
    OwnerRow,
    TaskRow,
    WorkerRow,
)
from vera_orchestrator.journal.rows import batch_row, has_tag, owner_row, task_row, worker_row
from vera_orchestrator.journal.schema import (
    batches,
    cancellations,
    finished,
    is_exhausted,
    owners,
    results,
    tasks,
    unfinished,
    workers,
)

CHUNK = 500
"""Values in one IN clause at most."""

Value = TypeVar("Value", int, str)

_narrow: list[ColumnElement[Any]] = [column for column in tasks.c if column.name != "result"]
_whole = select(*_narrow, func.coalesce(tasks.c.result, results.c.result).label("result")).select_from(
    tasks.outerjoin(results, results.c.task == tasks.c.key)
)
_without_result = select(*_narrow, null().label("result"))


def chunks(keys: Collection[Value]) -> Iterator[Sequence[Value]]:
    """Split keys, in order, into parts that fit into one statement."""
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _task_rows(connection: Connection, query: Select[Any]) -> list[TaskRow]:
    return [task_row(row) for row in connection.execute(query).mappings()]


def _first(connection: Connection, query: Select[Any]) -> TaskRow | None:
    return next(iter(_task_rows(connection, query.limit(1))), None)


def by_idempotency_key(connection: Connection, key: str, since: float) -> TaskRow | None:
    """Return the newest row with the key that was submitted at or after a time, with its result."""
    matching = _whole.where(tasks.c.idempotency_key == key, tasks.c.submitted_at >= since)
    return _first(connection, matching.order_by(tasks.c.key.desc()))


def any_idempotency_key(connection: Connection, keys: Collection[str]) -> bool:
    """Whether one of the keys was ever used."""
    matching = (select(tasks.c.key).where(tasks.c.idempotency_key.in_(part)).limit(1) for part in chunks(keys))
    return any(connection.execute(query).first() for query in matching)


def unfinished_ids(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of the ids that unfinished tasks have."""
    matching = (select(tasks.c.id).where(tasks.c.id.in_(part), unfinished) for part in chunks(ids))
    return {task_id for query in matching for task_id in connection.execute(query).scalars()}


def newest(connection: Connection, task_id: str, caller: str | None = None) -> TaskRow | None:
    """Return the newest row with an id, with its result; with `caller` of those that are its own."""
    matching = _whole.where(tasks.c.id == task_id)
    if caller is not None:
        matching = matching.where(tasks.c.caller == caller)
    return _first(connection, matching.order_by(tasks.c.key.desc()))


def by_keys(connection: Connection, keys: Collection[int]) -> Mapping[int, TaskRow]:
    """Return rows by key, with results."""
    found = (_task_rows(connection, _whole.where(tasks.c.key.in_(part))) for part in chunks(keys))
    return {row.key: row for part in found for row in part}


def history(connection: Connection, query: HistoryQuery) -> Sequence[TaskRow]:
    """Return rows newest first, with results."""
    limit = max(0, query.limit)
    if query.tag is None:
        return _task_rows(connection, _asked_for(query).limit(limit))
    found: list[TaskRow] = []
    size, before = max(limit, CHUNK), query.before_key
    while len(found) < limit:
        part = _task_rows(connection, _asked_for(replace(query, before_key=before)).limit(size))
        found += [row for row in part if has_tag(row, query.tag)]
        if len(part) < size:
            break
        before = part[-1].key
    return found[:limit]


def _asked_for(query: HistoryQuery) -> Select[Any]:
    """Return the statement for a history, newest first; of a tag it only knows that the spec holds its text."""
    matching = _whole.order_by(_newest_first(query.status))
    if query.status is not None:
        # Which half a status belongs to follows from it, but only this lets the database use the half's index.
        matching = matching.where(
            tasks.c.status == query.status.value, finished if query.status.is_final else unfinished
        )
    if query.exhausted is not None:
        matching = matching.where(is_exhausted if query.exhausted else tasks.c.exhausted.is_(False))
    if query.batch_id is not None:
        matching = matching.where(tasks.c.batch.in_(select(batches.c.key).where(batches.c.id == query.batch_id)))
    if query.tag is not None:
        matching = matching.where(tasks.c.spec.contains(orjson.dumps(query.tag).decode(), autoescape=True))
    conditions: Sequence[tuple[Callable[..., Any], ColumnElement[Any], object]] = (
        (lt, tasks.c.key, query.before_key),
        (eq, tasks.c.type, query.type),
        (eq, tasks.c.caller, query.caller),
        (eq, tasks.c.worker_id, query.worker_id),
        (ge, tasks.c.submitted_at, query.since),
        (lt, tasks.c.submitted_at, query.until),
    )
    return matching.where(*(compare(column, value) for compare, column, value in conditions if value is not None))


def _newest_first(status: TaskStatus | None) -> ColumnElement[Any]:
    """Return the order of a history.

    Unfinished rows are few and sorted quickly; by an expression, or the database would walk through all rows instead,
    as they lie in this order.
    """
    is_unfinished = status is not None and not status.is_final
    return (tasks.c.key + 0).desc() if is_unfinished else tasks.c.key.desc()


def unowned(connection: Connection, limit: int, after_key: int, types: Collection[str] | None) -> Sequence[TaskRow]:
    """Return unfinished rows without an owner, by key."""
    matching = _without_result.where(unfinished, tasks.c.owner.is_(None), tasks.c.key > after_key)
    if types is not None:
        matching = matching.where(tasks.c.type.in_([str(name) for name in types]))
    return _task_rows(connection, matching.order_by(tasks.c.key).limit(max(0, limit)))


def owned(connection: Connection, owner: int, limit: int, after_key: int) -> Sequence[TaskRow]:
    """Return an owner's unfinished rows, by key."""
    matching = _without_result.where(unfinished, tasks.c.owner == owner, tasks.c.key > after_key)
    return _task_rows(connection, matching.order_by(tasks.c.key).limit(max(0, limit)))


def asked_to_cancel(connection: Connection, owner: int | None) -> Mapping[int, str]:
    """Return the reasons for which an owner shall cancel tasks, by key."""
    asked = select(cancellations.c.task, cancellations.c.reason).join(tasks, tasks.c.key == cancellations.c.task)
    found = connection.execute(asked.where(tasks.c.owner == owner, unfinished)).all()
    return {row.task: row.reason for row in found}


def has_cancellations(connection: Connection) -> bool:
    """Whether there are requests to cancel anything."""
    return connection.execute(select(cancellations.c.task).limit(1)).first() is not None


def counts(connection: Connection) -> Counts:
    """Count rows in one statement, so that a task which ends meanwhile is neither missed nor counted twice."""
    exhausted = "exhausted"
    halves = [
        select(tasks.c.status, func.count().label("number")).where(half).group_by(tasks.c.status)
        for half in (unfinished, finished)
    ]
    out_of_retries = select(literal(exhausted), func.count()).select_from(tasks).where(is_exhausted)
    found: dict[str, int] = {}
    for name, number in connection.execute(union_all(*halves, out_of_retries)):
        found[name] = found.get(name, 0) + number
    out = found.pop(exhausted, 0)
    return Counts(by_status={TaskStatus(name): number for name, number in found.items()}, exhausted=out)


def batch(connection: Connection, batch_id: str) -> BatchRow | None:
    """Return the newest batch with an id."""
    found = (
        connection.execute(select(batches).where(batches.c.id == batch_id).order_by(batches.c.key.desc()))
        .mappings()
        .first()
    )
    return batch_row(found) if found else None


def batch_by_key(connection: Connection, key: int) -> BatchRow | None:
    """Return a batch by its key."""
    found = connection.execute(select(batches).where(batches.c.key == key)).mappings().first()
    return batch_row(found) if found else None


def counted_batches(connection: Connection, query: BatchQuery) -> Sequence[BatchCounts]:
    """Return batches newest first, each with the number of its tasks by status."""
    matching = select(batches).order_by(batches.c.key.desc()).limit(max(0, query.limit))
    if query.before_key is not None:
        matching = matching.where(batches.c.key < query.before_key)
    if query.caller is not None:
        own = select(tasks.c.key).where(tasks.c.batch == batches.c.key, tasks.c.caller == query.caller)
        matching = matching.where(own.exists())
    found = [batch_row(row) for row in connection.execute(matching).mappings()]
    counted: dict[int, dict[TaskStatus, int]] = {}
    for part in chunks([row.key for row in found]):
        of_part = select(tasks.c.batch, tasks.c.status, func.count().label("number")).where(tasks.c.batch.in_(part))
        for key, status, number in connection.execute(of_part.group_by(tasks.c.batch, tasks.c.status)):
            counted.setdefault(key, {})[TaskStatus(status)] = number
    return [BatchCounts(row=row, by_status=counted.get(row.key, {})) for row in found]


def goes_on() -> ColumnElement[bool]:
    """Return the condition that a batch of the surrounding statement has an unfinished task."""
    return select(tasks.c.key).where(tasks.c.batch == batches.c.key, unfinished).exists()


def batches_that_go_on(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of the ids that batches with unfinished tasks have."""
    matching = (select(batches.c.id).where(batches.c.id.in_(part), goes_on()) for part in chunks(ids))
    return {batch_id for query in matching for batch_id in connection.execute(query).scalars()}


def forgotten_batches(connection: Connection, limit: int) -> Sequence[BatchRow]:
    """Return batches that have not ended although all of their tasks have, by key."""
    found = select(batches).where(batches.c.completed_at.is_(None), ~goes_on()).order_by(batches.c.key)
    return [batch_row(row) for row in connection.execute(found.limit(max(0, limit))).mappings()]


def batch_tasks(connection: Connection, key: int) -> Sequence[TaskRow]:
    """Return the newest row of each position of a batch, in order, without results."""
    matching = _without_result.where(tasks.c.batch == key).order_by(tasks.c.position, tasks.c.key)
    return list({row.position: row for row in _task_rows(connection, matching)}.values())


def all_owners(connection: Connection, now: ColumnElement[float]) -> Sequence[OwnerRow]:
    """Return all owners by number."""
    columns = [column for column in owners.c if column.name != "lease_until"]
    known = select(*columns, (owners.c.lease_until - now).label("lease_left")).order_by(owners.c.number)
    return [owner_row(row) for row in connection.execute(known).mappings()]


def all_workers(connection: Connection) -> Sequence[WorkerRow]:
    """Return the workers of all owners."""
    ordered = select(workers).order_by(workers.c.owner, workers.c.worker_id)
    return [worker_row(row) for row in connection.execute(ordered).mappings()]


def prunable(*, ended_before: float, keep: int, limit: int) -> Callable[[Connection], Sequence[int]]:
    """Return the query for the keys of up to `limit` rows to delete, oldest first.

    Rows of a batch that still runs are spared: its other tasks may need their results.
    """
    running = select(batches.c.key).where(batches.c.key == tasks.c.batch, batches.c.completed_at.is_(None)).exists()
    oldest = select(tasks.c.key).where(finished, ~running).order_by(tasks.c.completed_at, tasks.c.key)

    def run(connection: Connection) -> Sequence[int]:
        total = connection.execute(select(func.count()).select_from(tasks).where(finished)).scalar_one()
        surplus = min(limit, max(0, total - keep))
        expired = connection.execute(oldest.where(tasks.c.completed_at < ended_before).limit(limit)).scalars().all()
        # The expired are the oldest, so the longer of the two lists contains the other.
        if surplus <= len(expired):
            return expired
        return connection.execute(oldest.limit(surplus)).scalars().all()

    return run
