"""What tasks have returned that others still wait for, kept as long as one of these is left."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vera_orchestrator.errors import SubstitutionFailed
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.codec import decode_result
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.values import has_placeholder, own_copy


class UpstreamResults:
    """The data of dependencies by row key; what is not here is read from the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._results: dict[int, Any] = {}
        self._references: Counter[int] = Counter()

    def wanted_by(self, entry: Entry) -> None:
        """Keep what the dependencies of a task return until it is let go of."""
        self._references.update(upstream.key for upstream in entry.after)

    def no_longer_wanted_by(self, entry: Entry) -> None:
        """Forget what no other task needs."""
        for upstream in entry.after:
            self._references[upstream.key] -= 1
            if self._references[upstream.key] <= 0:
                del self._references[upstream.key]
                self._results.pop(upstream.key, None)

    def keep(self, key: int, task: Task) -> None:
        """Keep what a task has returned."""
        if task.result is not None:
            self._results[key] = own_copy(task.result.data)

    async def of(self, entry: Entry) -> dict[str, Any]:
        """Return the data of a task's dependencies by the id under which it names them."""
        named = {upstream.key: upstream.id for upstream in entry.after if upstream.id}
        missing = [key for key in named if key not in self._results]
        if missing:
            rows = await self._journal.rows(missing)
            for key in missing:
                row = rows.get(key)
                if row is not None and row.result is not None:
                    result = decode_result(row.result)
                    self._results[key] = result.data if result else None
                elif has_placeholder(entry.payload, named[key]):
                    raise SubstitutionFailed(
                        f"no result of {named[key]!r} is kept.", remedy="Submit it with store=True, or again."
                    )
        return {task_id: self._results.get(key) for key, task_id in named.items()}
