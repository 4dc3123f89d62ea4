"""Rows for tests of the journal, and steps that many of them begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import BatchRow, Ending, TaskRow

LARGE = '"' + "x" * 100_000 + '"'


def task(key: int, **changes: Any) -> TaskRow:
    """Return a queued task of nobody, named after its key."""
    row = TaskRow(
        key=key, id=f"t{key}", type="custom", priority=2, spec='{"payload": {"a": 1}}', submitted_at=1_000.0 + key
    )
    return replace(row, **changes)


def batch(key: int, **changes: Any) -> BatchRow:
    """Return a running batch, named after its key."""
    return replace(BatchRow(key=key, id=f"b{key}", options="{}", submitted_at=1_000.5), **changes)


def ending(key: int, fence: int = 1, **changes: Any) -> Ending:
    """Return a success without a result."""
    return replace(Ending(key=key, fence=fence, status=TaskStatus.COMPLETED, completed_at=2_000.0), **changes)


def failure(key: int, fence: int = 1, **changes: Any) -> Ending:
    """Return the ending of a task that is out of retries."""
    values = {"status": TaskStatus.FAILED, "error": "boom", "exhausted": True, "retry_count": 3, **changes}
    return ending(key, fence, **values)


async def join(journal: Journal, pid: int = 1) -> int:
    """Add an owner."""
    return await journal.join(host="here", pid=pid, alive_file=None, lease_seconds=100.0)


async def row(journal: Journal, key: int) -> TaskRow:
    """Return one row."""
    return (await journal.rows([key]))[key]


async def add_ended(journal: Journal, keys: Sequence[int], **changes: Any) -> None:
    """Add tasks and end them, one second after the other, the first at 2001."""
    await journal.add([task(key, **changes) for key in keys])
    for place, key in enumerate(keys, start=1):
        assert await journal.ended(ending(key, completed_at=2_000.0 + place))
