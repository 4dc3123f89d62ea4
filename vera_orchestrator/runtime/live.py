"""The unfinished tasks that this process is in charge of, and who waits for which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.entry import Entry


class LiveTasks:
    """Entries by row key and by task id.

    `foreign` holds tasks, by row key, that another owner is in charge of and that somebody here waits for.
    """

    def __init__(self) -> None:
        self._by_key: dict[int, Entry] = {}
        self._by_id: dict[str, Entry] = {}
        self.foreign: dict[int, Task] = {}
        self.foreign_waiters: dict[int, list[asyncio.Future[TaskResult]]] = {}
        self._only_watched: dict[int, Task] = {}
        self._heir: LiveTasks | None = None

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._by_key.values()))

    def add(self, entry: Entry) -> None:
        """Take charge of a task."""
        self._by_key[entry.key] = entry
        self._by_id[entry.task.id] = entry
        self.foreign.pop(entry.key, None)
        self._only_watched.pop(entry.key, None)
        entry.waiters.extend(self.foreign_waiters.pop(entry.key, ()))

    def get(self, key: int) -> Entry | None:
        """Return an entry by row key."""
        return self._by_key.get(key)

    def find(self, task_id: str) -> Entry | None:
        """Return an entry by task id."""
        return self._by_id.get(task_id)

    def drop(self, entry: Entry) -> None:
        """Let go of a task."""
        entry.forget_timers()
        if self._by_key.get(entry.key) is entry:
            del self._by_key[entry.key]
        if self._by_id.get(entry.task.id) is entry:
            del self._by_id[entry.task.id]

    def watch(self, key: int, task: Task) -> asyncio.Future[TaskResult]:
        """Return a future for the result of a task that another owner has."""
        if key not in self.foreign:
            self.foreign[key] = self._only_watched[key] = task
        future = self._future(key)
        self.foreign_waiters.setdefault(key, []).append(future)
        return future

    def waiter(self, entry: Entry) -> asyncio.Future[TaskResult]:
        """Return a future for the result of an unfinished task; it is forgotten if its caller no longer waits."""
        future = self._future(entry.key)
        entry.waiters.append(future)
        return future

    def _future(self, key: int) -> asyncio.Future[TaskResult]:
        def ended(future: asyncio.Future[TaskResult]) -> None:
            if future.cancelled():
                self.forget(key, future)

        future: asyncio.Future[TaskResult] = asyncio.get_running_loop().create_future()
        future.add_done_callback(ended)
        return future

    def forget(self, key: int, future: asyncio.Future[TaskResult]) -> None:
        """Remove a waiter, and stop watching another owner's task that nobody else waits for."""
        entry = self._by_key.get(key)
        foreign = self.foreign_waiters.get(key, [])
        for waiters in ([] if entry is None else entry.waiters, foreign):
            if future in waiters:
                waiters.remove(future)
        if not foreign:
            self.foreign_waiters.pop(key, None)
            watched = self._only_watched.pop(key, None)
            if watched is not None and self.foreign.get(key) is watched:
                del self.foreign[key]
        if self._heir is not None:
            self._heir.forget(key, future)

    def inherit(self, earlier: LiveTasks) -> None:
        """Go on watching what an earlier life of this process was in charge of."""
        earlier._heir = self
        self.foreign.update(earlier.foreign)
        self.foreign_waiters.update(earlier.foreign_waiters)
        self._only_watched.update(earlier._only_watched)
        for entry in earlier:
            entry.forget_timers()
            self.foreign[entry.key] = entry.task
            if entry.waiters:
                self.foreign_waiters.setdefault(entry.key, []).extend(entry.waiters)
