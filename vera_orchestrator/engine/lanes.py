"""Own runs at a low rate, carriers above it.

A Prefect task run costs some milliseconds of the processor, mostly on the event loop. While few tasks of a type arrive,
each gets a run of its own, and starts in it. Above that a carrier stays open for a moment and shows what arrives
meanwhile as one run; of these, failed ones get a run of their own too, at the same rate at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from vera_orchestrator.engine.base import Body, Label, Outcome
from vera_orchestrator.engine.slips import Slip
from vera_orchestrator.enums import TaskStatus

CONTEXT_SECONDS = 0.25
"""How long a task waits for its run's context before it starts without."""

CANCELLED = Outcome(status=TaskStatus.CANCELLED)
Show = Callable[[Slip], None]


class Carrier:
    """One open run that takes in tasks until `until` (the loop's time), or until it has `limit` of them."""

    def __init__(self, slip: Slip, *, until: float, limit: int) -> None:
        self.slip = slip
        self._kind = slip.name
        self._until = until
        self._limit = limit
        self._open = 0
        self._failed = 0
        self._closed = False
        self.taken = 0

    def takes(self, now: float) -> bool:
        """Whether another task may come in."""
        return not self._closed and now < self._until and self.taken < self._limit

    def take(self) -> None:
        """Let a task in."""
        self.taken += 1
        self._open += 1

    def leave(self, outcome: Outcome | None) -> None:
        """Let a task out."""
        self._open -= 1
        if outcome is None or outcome.status is not TaskStatus.COMPLETED:
            self._failed += 1
        self._end_if_empty()

    def close(self) -> None:
        """Take in nothing more."""
        self._closed = True
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._closed and not self._open:
            failed = f", {self._failed} failed" if self._failed else ""
            self.slip.name = f"{self.taken:,} of {self._kind}{failed}"
            self.slip.finish(Outcome(status=TaskStatus.COMPLETED))


class Rate:
    """So many per second, counted over the last second; at a rate below one nothing is within it."""

    def __init__(self, rate: float) -> None:
        self._recent: deque[float] = deque(maxlen=max(1, int(rate)))
        self._possible = rate >= 1

    def is_within(self, now: float) -> bool:
        """Whether one more would be within the rate."""
        recent = self._recent
        return self._possible and (len(recent) < (recent.maxlen or 1) or now - recent[0] >= 1.0)

    def count(self, now: float) -> None:
        """Note one."""
        self._recent.append(now)


def _forget(key: int, slip: Slip) -> None:
    """Note nothing."""
    del key, slip


class Lane:
    """The tasks of one type in one process.

    `show` adds a run, which tasks wait for while `reachable`; `fallback` is the context to start in without one. `note`
    is told which run shows a task.
    """

    def __init__(
        self,
        kind: str,
        show: Show,
        fallback: Callable[[], Context],
        reachable: Callable[[], bool],
        *,
        rate: float,
        seconds: float,
        limit: int,
        note: Callable[[int, Slip], None] = _forget,
    ) -> None:
        self._kind = kind
        self._note = note
        self._show = show
        self._fallback = fallback
        self._reachable = reachable
        self._seconds = seconds
        self._limit = limit
        self._arrivals = Rate(rate)
        self._failures = Rate(rate)
        self._carrier: Carrier | None = None

    def is_calm(self, now: float) -> bool:
        """Note a task, and return whether each may have a run of its own."""
        calm = self._arrivals.is_within(now)
        self._arrivals.count(now)
        return calm

    def launch(self, label: Label, body: Body) -> asyncio.Task[Any]:
        """Start a task, in a run of its own or in a carrier."""
        now = asyncio.get_running_loop().time()
        if self.is_calm(now):
            slip = Slip(type=label.type, name=label.name)
            self._note(label.key, slip)
            self._show(slip)
            return start(slip, body, self._fallback(), label.name, inside=self._reachable())
        carrier = self._carrier
        if carrier is None or not carrier.takes(now):
            carrier = self._open_carrier(now)
        return self._carry(carrier, label, body)

    def _open_carrier(self, now: float) -> Carrier:
        if self._carrier is not None:
            self._carrier.close()
        slip = Slip(type=self._kind, name=self._kind)
        carrier = self._carrier = Carrier(slip, until=now + self._seconds, limit=self._limit)
        asyncio.get_running_loop().call_later(self._seconds, carrier.close)
        self._show(slip)
        return carrier

    def _carry(self, carrier: Carrier, label: Label, body: Body) -> asyncio.Task[Any]:
        carrier.take()
        self._note(label.key, carrier.slip)
        return start_beside(
            carrier.slip, body, self._fallback(), label.name, lambda out: self._left(carrier, label, out)
        )

    def _left(self, carrier: Carrier, label: Label, outcome: Outcome | None) -> None:
        carrier.leave(outcome)
        now = asyncio.get_running_loop().time()
        if outcome is None or outcome.status is not TaskStatus.FAILED or not self._failures.is_within(now):
            return
        self._failures.count(now)
        slip = Slip(type=label.type, name=label.name)  # a failure can be found by its own name
        slip.finish(outcome)
        self._show(slip)

    def close(self) -> None:
        """Let the carrier end."""
        if self._carrier is not None:
            self._carrier.close()


def start(slip: Slip, body: Body, fallback: Context, name: str, *, inside: bool) -> asyncio.Task[Any]:
    """Start a body with a run of its own; `inside`: it may wait a moment for the run's context."""
    if inside:
        return start_inside(slip, body, fallback, name)
    return start_beside(slip, body, fallback, name, lambda outcome: slip.finish(outcome or CANCELLED))


def start_beside(
    slip: Slip, body: Body, fallback: Context, name: str, ended: Callable[[Outcome | None], None]
) -> asyncio.Task[Any]:
    """Start a body now, in a slip's context if that is known already."""
    known = slip.context.done() and not slip.context.cancelled()
    context = slip.context.result() if known else fallback
    task = asyncio.create_task(body(), name=name, context=context.copy())
    task.add_done_callback(lambda done: ended(outcome_of(done)))
    return task


def start_inside(slip: Slip, body: Body, fallback: Context, name: str) -> asyncio.Task[Any]:
    """Start a body in the slip's context as soon as that is known, or after CONTEXT_SECONDS without."""
    task = asyncio.create_task(_inside(slip, body, fallback), name=name)
    task.add_done_callback(lambda done: slip.finish(outcome_of(done) or CANCELLED))
    return task


async def _inside(slip: Slip, body: Body, fallback: Context) -> Outcome:
    await asyncio.wait({slip.context}, timeout=CONTEXT_SECONDS)
    context = slip.context.result() if slip.context.done() else fallback
    return await asyncio.create_task(body(), context=context.copy())


def outcome_of(task: asyncio.Task[Any]) -> Outcome | None:
    """Return what a body returned; None if it was cancelled or raised."""
    if task.cancelled():
        return None
    error = task.exception()
    return Outcome(status=TaskStatus.FAILED, error=repr(error)) if error is not None else task.result()
