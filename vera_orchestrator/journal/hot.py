"""The writes in the path of every task: add, started, ended, requeued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Float,
    String,
    Update,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import reading, refusals, storable
from vera_orchestrator.journal.constants import FORGOTTEN_SPEC
from vera_orchestrator.journal.outbox_rows import delivery_values
from vera_orchestrator.journal.records import NO_NEWS, Added, BatchRow, Ending, News, TaskRow
from vera_orchestrator.journal.rows import batch_values, is_large, task_values
from vera_orchestrator.journal.schema import batches, deliveries, owners, results, slots, tasks, unfinished
from vera_orchestrator.journal.statements import Statement
from vera_orchestrator.journal.transaction import ROLL_BACK


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What one call of `add` asks for."""

    tasks: Sequence[TaskRow]
    batch: BatchRow | None
    idempotent_since: float


class Add:
    """Inserts submissions."""

    def __init__(self, dialect: Dialect) -> None:
        self._insert = Statement(insert(tasks), dialect)
        self._insert_result = Statement(insert(results), dialect)
        self._insert_batch = Statement(insert(batches), dialect)
        self._owners = Statement(select(owners.c.number), dialect)

    def subject(self, item: Submission) -> None:
        """A submission may wait for the end of an earlier task with its id, so it keeps its place."""
        return None

    def is_alone(self, item: Submission) -> bool:
        """Whether another process could insert the same idempotency key, or id of a batch, meanwhile."""
        return item.batch is not None or any(row.idempotency_key is not None for row in item.tasks)

    def news(self, item: Submission) -> News:
        """Return whether there is something to claim."""
        return News.UNOWNED if any(row.owner is None for row in item.tasks) else NO_NEWS

    def one(self, connection: Connection, item: Submission) -> Added:
        """Insert one submission; see the port for errors."""
        _check(item)
        existing = earlier_row(connection, item)
        if existing is not None:
            return Added(existing=existing)
        self._check_owners(connection, item.tasks)
        if item.batch is not None and reading.batches_that_go_on(connection, [item.batch.id]):
            raise refusals.duplicate_batch(item.batch.id)
        try:
            self._write(connection, [item])
        except IntegrityError as error:
            connection.exec_driver_sql(ROLL_BACK)
            raise refusals.duplicate(_taken_ids(connection, item)) from error
        return Added()

    def many(self, connection: Connection, items: Sequence[Submission]) -> Sequence[Added] | None:
        """Insert submissions at once, if none of their idempotency keys and batches has come before."""
        for item in items:
            _check(item)
        rows = [row for item in items for row in item.tasks]
        keys = [row.idempotency_key for row in rows if row.idempotency_key is not None]
        if len(set(keys)) != len(keys) or reading.any_idempotency_key(connection, keys):
            return None
        names = [item.batch.id for item in items if item.batch is not None]
        if len(set(names)) != len(names) or reading.batches_that_go_on(connection, names):
            return None
        self._check_owners(connection, rows)
        self._write(connection, items)
        return [Added()] * len(items)

    def _check_owners(self, connection: Connection, rows: Sequence[TaskRow]) -> None:
        """Refuse rows of an owner that was removed: nobody would ever take them over."""
        named = {row.owner for row in rows if row.owner is not None}
        if named:
            removed = named - {number for (number,) in self._owners.fetch(connection, {})}
            if removed:
                raise refusals.lease_lost(min(removed))

    def _write(self, connection: Connection, items: Sequence[Submission]) -> None:
        found = [item.batch for item in items if item.batch is not None]
        if found:
            self._insert_batch.run(connection, [batch_values(batch) for batch in found])
        rows = [row for item in items for row in item.tasks]
        if rows:
            self._insert.run(connection, [task_values(row) for row in rows])
        large = [{"task": row.key, "result": row.result} for row in rows if is_large(row.result)]
        if large:
            self._insert_result.run(connection, large)


def _check(item: Submission) -> None:
    for row in item.tasks:
        storable.check(task_values(row))
    if item.batch is not None:
        storable.check_key("batch_id", item.batch.id)
        storable.check(batch_values(item.batch))


def earlier_row(connection: Connection, item: Submission) -> TaskRow | None:
    """Return the row that an idempotency key of the submission names; raises IdempotencyConflict."""
    for row in item.tasks:
        if row.idempotency_key is None:
            continue
        found = reading.by_idempotency_key(connection, row.idempotency_key, item.idempotent_since)
        if found is not None:
            if found.body_hash != row.body_hash:
                raise refusals.conflict(row.id)
            return found
    return None


def _taken_ids(connection: Connection, item: Submission) -> set[str]:
    """Return the ids that keep a submission from being inserted."""
    times = Counter(row.id for row in item.tasks)
    return {task_id for task_id, count in times.items() if count > 1} | reading.unfinished_ids(connection, set(times))


class Fenced:
    """Changes unfinished tasks of which the caller still has the current fence."""

    def __init__(self, dialect: Dialect, change: Update, *, releases: bool, news: News = NO_NEWS) -> None:
        guarded = change.where(tasks.c.key == bindparam("the_key"), tasks.c.fence == bindparam("the_fence"), unfinished)
        self._update = Statement(guarded, dialect)
        self._release = Statement(delete(slots).where(slots.c.task == bindparam("the_key")), dialect)
        self._insert_result = Statement(insert(results), dialect)
        self._insert_delivery = Statement(insert(deliveries), dialect)
        self._releases = releases
        self._news = news

    def subject(self, item: Mapping[str, Any]) -> int:
        """Return the key of the task."""
        return item["the_key"]

    def is_alone(self, item: Mapping[str, Any]) -> bool:
        """The fence keeps others away."""
        return False

    def news(self, item: Mapping[str, Any]) -> News:
        """Return what it was made with."""
        return self._news

    def one(self, connection: Connection, item: Mapping[str, Any]) -> bool:
        """Change one task; False if the fence is old or it had ended."""
        return self.many(connection, [item]) is not None

    def many(self, connection: Connection, items: Sequence[Mapping[str, Any]]) -> Sequence[bool] | None:
        """Change tasks at once, if that changes every one of them."""
        for item in items:
            storable.check(item)
        if self._update.run(connection, items) != len(items):
            return None
        if self._releases:
            self._release.run(connection, items)
        large = [
            {"task": item["the_key"], "result": item["large_result"]}
            for item in items
            if item.get("large_result") is not None
        ]
        if large:
            self._insert_result.run(connection, large)
        messages = [item["delivery"] for item in items if item.get("delivery") is not None]
        if messages:
            self._insert_delivery.run(connection, messages)
        return [True] * len(items)


def started_kind(dialect: Dialect) -> Fenced:
    """Return the kind of operation that marks tasks as running."""
    change = update(tasks).values(
        status=TaskStatus.RUNNING.value, started_at=bindparam("at"), worker_id=bindparam("worker")
    )
    return Fenced(dialect, change, releases=False)


def requeued_kind(dialect: Dialect) -> Fenced:
    """Return the kind of operation that puts tasks back for their next attempt."""
    change = update(tasks).values(
        status=TaskStatus.QUEUED.value,
        due_at=bindparam("due"),
        retry_count=bindparam("retries"),
        error=bindparam("message"),
    )
    return Fenced(dialect, change, releases=True)


def ended_kind(dialect: Dialect) -> Fenced:
    """Return the kind of operation that completes tasks."""
    change = update(tasks).values(
        status=bindparam("final"),
        completed_at=bindparam("at"),
        started_at=func.coalesce(bindparam("began", type_=Float), tasks.c.started_at),
        retry_count=bindparam("retries"),
        worker_id=func.coalesce(bindparam("worker", type_=String), tasks.c.worker_id),
        error=bindparam("message"),
        exhausted=bindparam("out_of_retries"),
        result=bindparam("small_result"),
        spec=case((bindparam("forget", type_=Boolean), FORGOTTEN_SPEC), else_=tasks.c.spec),
    )
    return Fenced(dialect, change, releases=True, news=News.ENDED)


def ended_item(ending: Ending) -> Mapping[str, Any]:
    """Return the parameters of the kind `ended` for an ending."""
    result = None if ending.forget else ending.result
    large = is_large(result)
    return {
        "the_key": ending.key,
        "the_fence": ending.fence,
        "final": ending.status.value,
        "at": ending.completed_at,
        "began": ending.started_at,
        "retries": ending.retry_count,
        "worker": ending.worker_id,
        "message": ending.error,
        "out_of_retries": ending.exhausted,
        "small_result": None if large else result,
        "large_result": result if large else None,
        "forget": ending.forget,
        "delivery": None if ending.delivery is None else delivery_values(ending.delivery),
    }
