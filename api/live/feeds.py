"""What readers can subscribe to: how each topic is computed, once for all of its readers."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Protocol

from api.live.briefs import about, brief
from api.live.changes import About, ChangeLog, Page, View
from api.live.pending import PendingTasks
from api.live.readers import Reader
from api.live.statuses import LOOK_SECONDS
from api.live.wishes import Topic
from api.responses import to_json
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.runtime.events import Event, SpendEvent, TaskEvent, TaskEventKind, WorkerEvent

SELDOM_SECONDS = 1.0
"""How often workers and spending are told at most: they change with every task."""
BRIEFS_AT_ONCE = 500
EVERYTHING = View()


class Feed(Protocol):
    """One topic. `version` grows when there is something new, `is_behind` says that more is to be made soon."""

    version: int
    is_behind: bool

    def hear(self, event: Event) -> None:
        """Note what has happened; must be quick."""
        ...

    def look(self, now: float) -> None:
        """Make what is new, on the steady clock."""
        ...

    def join(self, reader: Reader) -> str | None:
        """Begin to tell a reader; return what it gets first."""
        ...

    def next(self, reader: Reader) -> str | None:
        """Return the next message for a reader."""
        ...


class _Changing(ABC):
    """Messages out of a log of changes; readers at the same place of it share them."""

    topic: Topic

    def __init__(self, orchestrator: UnifiedOrchestrator, readers: Collection[Reader]) -> None:
        self.orchestrator = orchestrator
        self.readers = readers
        self.log = ChangeLog()
        self.is_behind = False
        self.version = 0
        self._messages: dict[tuple[int, View], tuple[str | None, int]] = {}

    @abstractmethod
    def message(self, page: Page) -> str:
        """Return the message for a page of changes."""

    def renew(self) -> None:
        """Let readers see what is in the log now, and let go of what all of them have."""
        self._messages.clear()
        self.log.forget(min((reader.seen[self.topic] for reader in self.readers), default=self.log.version))
        self.version = self.log.version

    def next(self, reader: Reader) -> str | None:
        """Return the next message for a reader."""
        while (cursor := reader.seen[self.topic]) < self.version:
            view = reader.view if self.topic is Topic.TASK else EVERYTHING
            made = self._messages.get((cursor, view))
            if made is None:
                page = self.log.page(cursor, view)
                text = self.message(page) if page.changes or page.dropped else None
                made = self._messages[cursor, view] = (text, page.cursor)
            text, reader.seen[self.topic] = made
            if text is not None:
                return text
        return None


class TaskFeed(_Changing):
    """Tasks that have changed, in brief."""

    topic = Topic.TASK

    def __init__(self, orchestrator: UnifiedOrchestrator, readers: Collection[Reader]) -> None:
        super().__init__(orchestrator, readers)
        self._pending = PendingTasks()

    def hear(self, event: Event) -> None:
        """Note what has happened to a task."""
        if self.readers and isinstance(event, TaskEvent):
            self._pending.add(event)

    def look(self, now: float) -> None:
        """Note how tasks stand that have changed."""
        del now
        pending = self._pending
        if not (pending or pending.lost):
            return
        for one in pending.lost:
            self.log.lose(one)
        pending.lost.clear()
        for changed in pending.take(BRIEFS_AT_ONCE):
            text = brief(self.orchestrator, changed.task, changed.fraction)
            self.log.put(changed.task.id, text, about(changed.task))
        self.is_behind = bool(pending)
        self.renew()

    def join(self, reader: Reader) -> str | None:
        """Tell a reader of what changes from now on."""
        reader.seen.setdefault(Topic.TASK, self.log.version)
        return None

    def message(self, page: Page) -> str:
        """Return the tasks of a page."""
        tasks = b",".join(change.text for change in page.changes if change.text is not None)
        return f'{{"event":"task","tasks":[{tasks.decode()}],"dropped":{page.dropped}}}'


class WorkerFeed(_Changing):
    """Workers that have changed, and those that have gone."""

    topic = Topic.WORKER

    def __init__(self, orchestrator: UnifiedOrchestrator, readers: Collection[Reader]) -> None:
        super().__init__(orchestrator, readers)
        self._stale: dict[str, None] = {}
        self._is_urgent = False
        self._made_at = float("-inf")
        self._all = (float("-inf"), -1, "")

    def hear(self, event: Event) -> None:
        """Note which worker may stand otherwise now; how many tasks it has is less urgent than its status."""
        if not self.readers:
            return
        if isinstance(event, WorkerEvent):
            self._stale[event.worker_id] = None
            self._is_urgent = True
        elif isinstance(event, TaskEvent) and event.worker_id and event.kind is not TaskEventKind.PROGRESS:
            self._stale[event.worker_id] = None

    def look(self, now: float) -> None:
        """Note how workers stand that have changed."""
        self.is_behind = bool(self._stale) and not self._is_urgent and now - self._made_at < SELDOM_SECONDS
        if self.is_behind or not self._stale:
            return
        self._made_at, self._is_urgent = now, False
        for worker_id in self._stale:
            worker = self.orchestrator.worker_registry.get_worker(worker_id)
            self.log.put(worker_id, to_json(worker.to_dict()) if worker is not None else None, About())
        self._stale.clear()
        self.renew()

    def join(self, reader: Reader) -> str | None:
        """Tell a reader of all workers first."""
        reader.seen[Topic.WORKER] = self.log.version
        now = time.monotonic()
        at, version, text = self._all
        if version != self.log.version or now - at >= LOOK_SECONDS:
            workers = [worker.to_dict() for worker in self.orchestrator.worker_registry.get_all_workers()]
            text = to_json({"event": Topic.WORKER, "workers": workers, "removed": []}).decode()
            self._all = (now, self.log.version, text)
        return text

    def message(self, page: Page) -> str:
        """Return the workers of a page, and those that have gone."""
        workers = b",".join(change.text for change in page.changes if change.text is not None)
        gone = [change.key for change in page.changes if change.text is None]
        return f'{{"event":"worker","workers":[{workers.decode()}],"removed":{to_json(gone).decode()}}}'


class SpendFeed:
    """What was used of each language model's API today."""

    def __init__(self, orchestrator: UnifiedOrchestrator, readers: Collection[Reader]) -> None:
        self._orchestrator = orchestrator
        self._readers = readers
        self._is_stale = False
        self._made_at = float("-inf")
        self._text = ""
        self.is_behind = False
        self.version = 0

    def hear(self, event: Event) -> None:
        """Note that something was used."""
        self._is_stale = self._is_stale or isinstance(event, SpendEvent)

    def look(self, now: float) -> None:
        """Read what was used, if it is more than before."""
        self.is_behind = self._is_stale and bool(self._readers) and now - self._made_at < SELDOM_SECONDS
        if self._is_stale and self._readers and not self.is_behind:
            self._make()
            self._made_at = now

    def _make(self) -> None:
        self._is_stale = False
        used = self._orchestrator.resource_manager.get_resource_stats()["llm_api_usage"]
        self._text = to_json({"event": Topic.SPEND, "llm_api_usage": used}).decode()
        self.version += 1

    def join(self, reader: Reader) -> str | None:
        """Tell a reader first how it stands."""
        if self._is_stale or not self.version:
            self._make()
        reader.seen[Topic.SPEND] = self.version
        return self._text

    def next(self, reader: Reader) -> str | None:
        """Return the newest, if a reader has not seen it."""
        if reader.seen[Topic.SPEND] == self.version:
            return None
        reader.seen[Topic.SPEND] = self.version
        return self._text


def feeds_for(orchestrator: UnifiedOrchestrator, readers: Mapping[Topic, Collection[Reader]]) -> dict[Topic, Feed]:
    """Return the feeds of an orchestrator; `readers` are those who have subscribed, kept up to date."""
    kinds = {Topic.TASK: TaskFeed, Topic.WORKER: WorkerFeed, Topic.SPEND: SpendFeed}
    return {topic: kind(orchestrator, readers[topic]) for topic, kind in kinds.items()}
