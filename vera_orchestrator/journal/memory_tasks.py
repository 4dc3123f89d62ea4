"""Tasks in dictionaries, with the lookups that the in-memory journal needs often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal import refusals
from vera_orchestrator.journal.records import HistoryQuery, TaskRow
from vera_orchestrator.journal.rows import has_tag


class TaskTable:
    """All task rows by key."""

    def __init__(self) -> None:
        self.rows: dict[int, TaskRow] = {}
        self.unfinished_ids: dict[str, int] = {}
        self._by_idempotency_key: dict[str, set[int]] = {}

    def put(self, row: TaskRow) -> None:
        """Insert or replace a row."""
        self.rows[row.key] = row
        if row.completed_at is None:
            self.unfinished_ids[row.id] = row.key
        elif self.unfinished_ids.get(row.id) == row.key:
            del self.unfinished_ids[row.id]
        if row.idempotency_key is not None:
            self._by_idempotency_key.setdefault(row.idempotency_key, set()).add(row.key)

    def remove(self, key: int) -> TaskRow:
        """Delete an ended row and return it."""
        row = self.rows.pop(key)
        if row.idempotency_key is not None:
            self._by_idempotency_key[row.idempotency_key].discard(key)
        return row

    def ordered(self) -> list[TaskRow]:
        """Return all rows by key."""
        rows = list(self.rows.values())
        return sorted(rows, key=lambda row: row.key)

    def unfinished(self) -> list[TaskRow]:
        """Return the unfinished rows by key."""
        return [self.rows[key] for key in sorted(self.unfinished_ids.values())]

    def are_going_on(self, batches: Collection[int]) -> bool:
        """Whether one of the batches has an unfinished task."""
        return bool(batches) and any(self.rows[key].batch in batches for key in self.unfinished_ids.values())

    def earlier(self, tasks: Sequence[TaskRow], since: float) -> TaskRow | None:
        """Return the row that an idempotency key of the tasks names; raises IdempotencyConflict."""
        for row in tasks:
            found = self._used(row.idempotency_key, since) if row.idempotency_key is not None else None
            if found is not None and found.body_hash != row.body_hash:
                raise refusals.conflict(row.id)
            if found is not None:
                return found
        return None

    def check_new(self, tasks: Sequence[TaskRow]) -> None:
        """Raise DuplicateTaskId unless all the rows could be inserted."""
        times = Counter(row.id for row in tasks if row.completed_at is None)
        times.update(times.keys() & self.unfinished_ids.keys())
        taken = [task_id for task_id, count in times.items() if count > 1]
        keys = {row.key for row in tasks}
        if taken or len(keys) < len(tasks) or keys & self.rows.keys():
            raise refusals.duplicate(taken)

    def _used(self, idempotency_key: str, since: float) -> TaskRow | None:
        keys = self._by_idempotency_key.get(idempotency_key, set())
        return newest([self.rows[key] for key in keys if self.rows[key].submitted_at >= since])

    def change(self, key: int, fence: int, change: Callable[[TaskRow], TaskRow]) -> bool:
        """Change an unfinished row if the fence is the current one."""
        row = self.rows.get(key)
        if row is None or row.fence != fence or row.completed_at is not None:
            return False
        self.put(change(row))
        return True


def newest(rows: Sequence[TaskRow]) -> TaskRow | None:
    """Return the row with the highest key."""
    return max(rows, key=lambda row: row.key, default=None)


def matches(row: TaskRow, query: HistoryQuery, batches: Collection[int] | None) -> bool:
    """Whether a row has the properties that a query asks for; `batches` are those with its `batch_id`."""
    asked = {"status": row.status, "type": row.type, "caller": row.caller, "worker_id": row.worker_id}
    return (
        all(getattr(query, name) in (None, value) for name, value in asked.items())
        and (query.before_key is None or row.key < query.before_key)
        and (query.exhausted is None or row.exhausted == query.exhausted)
        and (query.since is None or row.submitted_at >= query.since)
        and (query.until is None or row.submitted_at < query.until)
        and (batches is None or row.batch in batches)
        and (query.tag is None or has_tag(row, query.tag))
    )


def afresh(row: TaskRow) -> TaskRow:
    """Return a failed row as one that was never tried; what names its old fence comes too late."""
    return replace(
        row,
        status=TaskStatus.QUEUED,
        retry_count=0,
        owner=None,
        fence=row.fence + 1,
        exhausted=False,
        started_at=None,
        completed_at=None,
        due_at=None,
        worker_id=None,
        error=None,
        result=None,
    )
