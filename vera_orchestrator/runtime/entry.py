"""A task while this process is in charge of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.trace import Span

from vera_orchestrator.errors import VeraError
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import StreamChunk, Task, TaskResult
from vera_orchestrator.routing import needed_capabilities


class Group(NamedTuple):
    """Everything that decides whether waiting tasks can be admitted: those of one group stand or fall together.

    `accepted_by` is set where not all workers with the capabilities accept the task: the generation of the workers when
    that was found out, and those that do. `model` and `budget` are those that the task names, `caller` is its key: it
    may have limits of its own. `apart` sets tasks apart that limits or workers have refused: by the size of their
    calls, or each for itself.
    """

    type: str
    capabilities: frozenset[str]
    pinned: str | None
    concurrency_key: str | None
    accepted_by: tuple[int, frozenset[str]] | None = None
    model: str | None = None
    budget: str | None = None
    caller: str | None = None
    apart: tuple[str, int] | None = None

    @property
    def family(self) -> Group:
        """All that need the same workers and are of the same type, whatever else they name."""
        if self.concurrency_key is self.model is self.budget is self.caller is self.apart is None:
            return self
        return self._replace(concurrency_key=None, model=None, budget=None, caller=None, apart=None)


class State(NamedTuple):
    """How often the workers have changed, and how many calls have been settled here."""

    workers: int
    settlements: int


class Refusal(NamedTuple):
    """Why a worker, with one model, does not get a task: until when, on the steady clock (infinite: never).

    `by_limit` says that a limit has no room, and not that the worker has failed. It holds as long as the state that it
    was found in, `as_of`: one for good as long as the workers are the same, another until a call is settled.
    """

    until: float
    reason: str
    by_limit: bool
    as_of: State = State(0, 0)


@dataclass(eq=False, slots=True, kw_only=True)
class Call:
    """One attempt on a metered worker, from its admission to its end.

    `booking` says what is reserved for it. Instead of running it ends with `problem`, or with `answered` out of the
    cache; a new answer is kept under `cache_key`. It may begin until `late_at`, on the steady clock; `channel` is there
    once it has. `prepared` is what the worker has made for it when it told its demand.
    """

    task: Task | None = None
    secrets: frozenset[str] = frozenset()
    booking: Booking | None = None
    problem: VeraError | None = None
    answered: TaskResult | None = None
    cache_key: str | None = None
    late_at: float = math.inf
    channel: Channel | None = None
    prepared: object = None


class Upstream(NamedTuple):
    """Something that a task waits for: a row, whether it must succeed, and the id under which the task names it.

    The id is empty where only the order matters.
    """

    key: int
    needs_success: bool
    id: str = ""


@dataclass(eq=False, slots=True, kw_only=True)
class Entry:
    """One unfinished task of this owner.

    `payload` is the template, `after` what it waits for. `entered` is when it began to wait, in seconds since the
    epoch; `adopted_at`, on the steady clock, is set if it was taken over from another owner.
    `considered` is the routing's explanation, `held` names the limits it has a slot of; `queued` says whether it
    is in the ready queue and `unreached_since` since when its worker could not be reached. `accepted` is there if
    it was started while it was being committed, and says whether it is. `failed_on` names workers where an attempt has
    failed, `refusals` says which workers, by their id and a model, do not get it; `model` is the
    one that was chosen and `call` its attempt on a metered worker. `listener` gets the chunks of its answer,
    `span` is the task's in its trace.
    """

    key: int
    fence: int
    owner: int
    task: Task
    group: Group
    payload: dict[str, Any]
    entered: float
    batch: int | None = None
    after: Sequence[Upstream] = ()
    adopted_at: float | None = None
    failed_on: set[str] = field(default_factory=set[str])
    refusals: dict[tuple[str, str | None], Refusal] = field(default_factory=dict[tuple[str, str | None], Refusal])
    model: str | None = None
    call: Call | None = None
    listener: Callable[[StreamChunk], None] | None = None
    span: Span | None = None
    considered: dict[str, str] = field(default_factory=dict[str, str])
    held: list[str] = field(default_factory=list[str])
    execution: asyncio.Task[Any] | None = None
    accepted: asyncio.Future[bool] | None = None
    cancelled_by: VeraError | None = None
    waiters: list[asyncio.Future[TaskResult]] = field(default_factory=list[asyncio.Future[TaskResult]])
    delay: asyncio.TimerHandle | None = None
    expiry: asyncio.TimerHandle | None = None
    queued: bool = False
    unreached_since: float | None = None
    expired: bool = False
    final: bool = False

    @property
    def is_coming(self) -> bool:
        """Whether it was started ahead and is not committed yet."""
        return self.accepted is not None and not self.accepted.done()

    def refused_by(self, worker_id: str, model: str | None, now: float, state: State) -> Refusal | None:
        """Return why a worker, with this model, does not get the task now."""
        refusal = self.refusals.get((worker_id, model)) if self.refusals else None
        if refusal is None or refusal.until <= now:
            return None
        if refusal.until == math.inf:
            return refusal if refusal.as_of.workers == state.workers else None
        return None if refusal.by_limit and refusal.as_of.settlements != state.settlements else refusal

    def refuse(self, worker_id: str, refusal: Refusal) -> None:
        """Note that a worker, with the model chosen last, does not get the task.

        What is refused for good is this task's own, and no other is to wait with it.
        """
        self.refusals[worker_id, self.model] = refusal
        if refusal.until == math.inf:
            self.group = self.group._replace(apart=("task", self.key))

    def apart_by_size(self) -> Group:
        """Return the group of those whose calls are of a similar size."""
        if self.group.apart is not None:
            return self.group
        most = self.payload.get("max_tokens")
        size = len(repr(self.payload)) + (most if isinstance(most, int) else 0)
        return self.group._replace(apart=("size", size.bit_length()))

    def forget_timers(self) -> None:
        """Cancel what would happen later."""
        for timer in (self.delay, self.expiry):
            if timer is not None:
                timer.cancel()
        self.delay = self.expiry = None


def group_of(task: Task) -> Group:
    """Return the group of a task."""
    model = task.payload.get("model")
    return Group(
        str(task.type),
        needed_capabilities(task),
        task.requirements.worker_id,
        task.concurrency_key,
        model=model if isinstance(model, str) else None,
        budget=task.budget,
        caller=task.caller,
    )


def run_name(task: Task) -> str:
    """Return what a task's run is called: its `name` in the metadata, else type and id."""
    name = task.metadata.get("name")
    return str(name) if name else f"{task.type} {task.id[:8] if len(task.id) == 36 else task.id}"
