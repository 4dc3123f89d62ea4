"""Tasks as a history lists them: the journal's rows, with what only the process that is in charge of them knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.records import HistoryQuery
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.codec import to_seconds
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.parts import Parts
from vera_orchestrator.secrets import mask

ONLY_LIVE = frozenset({TaskStatus.WAITING_RESOURCES, TaskStatus.RATE_LIMITED})
"""Statuses that the journal does not know."""

Keyed = tuple[int, Task]
"""A task with the key of its row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """Tasks, newest first. The next page has the rows before `next_key`; None: there is none."""

    tasks: Sequence[Task]
    next_key: int | None = None

    @classmethod
    def of(cls, found: Sequence[Keyed], limit: int) -> HistoryPage:
        """Return the first `limit` of tasks that were found, of which there may be more."""
        page = found[:limit]
        return cls(tasks=[task for _, task in page], next_key=page[-1][0] if page and len(found) > limit else None)


def waiting_here(parts: Parts, query: HistoryQuery) -> list[Keyed]:
    """Return the tasks that wait in this process with a status that only the living have."""
    found: list[Keyed] = []
    for entry in sorted(parts.live, key=lambda entry: entry.key, reverse=True):
        status, reason = parts.dispatcher.explain(entry)
        if status is query.status and _is_asked_for(entry, query):
            payload = mask(entry.task.payload)
            task = dataclasses.replace(entry.task, payload=payload, status=status, status_reason=reason)
            found.append((entry.key, task))
    return found[: max(0, query.limit)]


def as_it_stands(parts: Parts, key: int, task: Task, query: HistoryQuery) -> Task:
    """Return a task of the history with its live status: the journal does not know what a task waits for.

    Where a status was asked for, it is the journal's, so that a page holds what was asked for.
    """
    entry = parts.live.get(key) if query.status is None and not task.status.is_final else None
    if entry is not None and not entry.final:
        task.status, task.status_reason = parts.dispatcher.explain(entry)
    return task


def _is_asked_for(entry: Entry, query: HistoryQuery) -> bool:
    task = entry.task
    asked = {
        "type": str(task.type),
        "caller": task.caller,
        "batch_id": task.batch_id,
        "worker_id": task.worker_id,
    }
    submitted = to_seconds(task.submitted_at) if task.submitted_at is not None else 0.0
    return (
        all(getattr(query, name) in (None, value) for name, value in asked.items())
        and (query.tag is None or query.tag in task.tags)
        and (query.before_key is None or entry.key < query.before_key)
        and (query.since is None or submitted >= query.since)
        and (query.until is None or submitted < query.until)
        and not query.exhausted
    )
