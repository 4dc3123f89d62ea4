"""What the life of a task asks of the engine that runs and records it, and the engine that records nothing."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vera_orchestrator.enums import TaskStatus

Body = Callable[[], Coroutine[Any, Any, "Outcome"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended, as far as its record shows it. The data itself stays in the journal.

    `again`: only this attempt has ended, the task goes on.
    """

    status: TaskStatus
    error: str | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a run is called: the task's type, a readable name, its key and, in a batch, the batch's key."""

    type: str
    name: str
    key: int
    batch: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPlan:
    """A batch as its flow run shows it: the labels of its tasks and, by key, the keys they depend on."""

    key: int
    id: str
    name: str
    labels: Sequence[Label]
    edges: Mapping[int, Sequence[int]]


@dataclass(kw_only=True, slots=True)
class EngineStatus:
    """How recording goes. `unrecorded` counts runs that could not be recorded; `reason` says why it does not go.

    `advice` says what the server lacks in safety, where that was found out.
    """

    connected: bool = False
    api_url: str | None = None
    ui_url: str | None = None
    reason: str | None = None
    advice: str | None = None
    recorded: int = 0
    unrecorded: int = 0
    limits: Mapping[str, int] = field(default_factory=dict[str, int])


class Engine(ABC):
    """Runs coroutines and records them. It never queues, retries or decides."""

    def __init__(self) -> None:
        self.status = EngineStatus()
        self.on_cancelled_batch: Callable[[int], None] = _ignore
        self.on_shown_batch: Callable[[int, str], None] = _ignore
        self.on_changed_limits: Callable[[], None] = _ignore

    @abstractmethod
    async def start(self) -> None:
        """Connect. A second call does nothing."""

    @abstractmethod
    async def stop(self) -> None:
        """Write what can be written in a few seconds, and disconnect. A second call does nothing."""

    @abstractmethod
    def launch(self, label: Label, body: Body) -> asyncio.Task[Any]:
        """Run a body now, whatever the state of the record; cancel the returned task to cancel it."""

    @abstractmethod
    def open_batch(self, plan: BatchPlan) -> None:
        """Begin to show a batch. Its tasks may be launched before the record exists."""

    @abstractmethod
    def skip(self, label: Label, outcome: Outcome) -> None:
        """Record a task of an open batch that ends without having been launched."""

    @abstractmethod
    def close_batch(self, key: int, outcome: Outcome) -> None:
        """Show that a batch has ended."""

    @property
    def backlog(self) -> int:
        """How many runs wait to be recorded."""
        return 0

    def run_url(self, flow_run_id: str) -> str | None:
        """Return the address at which a flow run can be seen."""
        return self._url_of("flow-run", flow_run_id)

    def _url_of(self, kind: str, run_id: str) -> str | None:
        base = self.status.ui_url
        if not base:
            return None
        # A server of one's own, whose API is at /api, shows runs below /v2; Prefect Cloud has no such folder.
        own = (self.status.api_url or "").rstrip("/").endswith("/api")
        return f"{base.rstrip('/').removesuffix('/v2')}{'/v2' if own else ''}/runs/{kind}/{run_id}"

    def task_run_url(self, key: int) -> str | None:
        """Return the address at which the run of a task can be seen, by the task's key, if this process began it."""
        del key
        return None

    @property
    def limits(self) -> Mapping[str, int]:
        """The most tasks of a type that may run at a time in the whole journal; types not named are unlimited."""
        return self.status.limits


def _ignore(*_: object) -> None:
    """Be told and do nothing."""


class PlainEngine(Engine):
    """Runs bodies as they are and records nothing."""

    async def start(self) -> None:
        """Do nothing."""
        self.status.reason = "recording in Prefect is switched off (VERA_PREFECT=off)"

    async def stop(self) -> None:
        """Do nothing."""

    def launch(self, label: Label, body: Body) -> asyncio.Task[Any]:
        """Run the body."""
        self.status.unrecorded += 1
        return asyncio.create_task(body(), name=label.name)

    def open_batch(self, plan: BatchPlan) -> None:
        """Do nothing."""

    def skip(self, label: Label, outcome: Outcome) -> None:
        """Do nothing."""

    def close_batch(self, key: int, outcome: Outcome) -> None:
        """Do nothing."""
