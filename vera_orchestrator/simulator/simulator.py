"""The state of a simulator: settings, counters, the record of requests, loaded models."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from vera_orchestrator.simulator.conversation import Asked, Usage
from vera_orchestrator.simulator.faults import Refused, check_context, check_model, check_outcome, outcome_of
from vera_orchestrator.simulator.settings import Outcome, SimulatorSettings

MINUTE = 60.0


class Ended(StrEnum):
    """How far a request has come."""

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"
    BROKEN = "broken"
    CLIENT_LEFT = "client_left"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived, and what became of it; no headers, as they hold keys."""

    number: int
    at: float
    """Seconds on the simulator's clock, which only goes forward."""
    shape: str
    path: str
    body: Any = None
    status: int = 200
    ended: Ended = Ended.OPEN
    usage: Usage | None = None
    """What was reported, or would have been at the end of a stream that broke."""
    pieces: int = 0
    """Pieces of text that were sent."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a caller stands in the rate limit."""

    limit: int
    remaining: int
    reset: float
    """Seconds until there is one more."""
    reset_at: datetime


class Simulator:
    """What the shapes share. It is used from one event loop; `seen` may be read from any thread."""

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings or SimulatorSettings()
        self._clock = clock
        self._seen: dict[int, Seen] = {}
        self._admitted: deque[float] = deque()
        self._numbers = self._turns = self._answers = 0
        self.now = now
        self.sleep = sleep
        self.pulled: frozenset[str] = frozenset()
        self.loaded: frozenset[str] = frozenset()

    @property
    def settings(self) -> SimulatorSettings:
        """The settings that hold now."""
        return self._settings

    def configure(self, settings: SimulatorSettings) -> None:
        """Let other settings hold from the next request on; scripts and draws begin anew."""
        self._settings = settings
        self._turns = self._answers = 0
        self._admitted.clear()

    @property
    def known(self) -> frozenset[str]:
        """The known models; empty if any model is known."""
        return frozenset(self._settings.models) | self.pulled if self._settings.models else frozenset()

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The newest requests, oldest first."""
        return tuple(self._seen.values())

    @property
    def count(self) -> int:
        """How many requests have arrived, also those that are no longer remembered."""
        return self._numbers

    def forget(self) -> None:
        """Forget the requests and what was pulled or loaded, and begin to count anew."""
        self._seen.clear()
        self.pulled = self.loaded = frozenset()
        self._numbers = 0
        self.configure(self._settings)

    def arrived(self, shape: str, path: str) -> int:
        """Remember a request; returns its number, the first is 1."""
        self._numbers += 1
        self._seen[self._numbers] = Seen(number=self._numbers, at=self._clock(), shape=shape, path=path)
        while len(self._seen) > self._settings.keep_requests:
            del self._seen[next(iter(self._seen))]
        return self._numbers

    def note(self, number: int, **changes: Any) -> None:
        """Remember more of a request, if it is still remembered at all."""
        if number in self._seen:
            self._seen[number] = replace(self._seen[number], **changes)

    def admit(self, asked: Asked) -> tuple[int, Outcome]:
        """Return the place of a request in the script of answers, and what becomes of it.

        Raises Refused where that is an error status: one that the settings ask for, a rate limit that is reached, an
        unknown model, too long a context.
        """
        outcome = outcome_of(self._settings, self._turns)
        self._turns += 1
        check_outcome(self._settings, outcome)
        self._take_turn()
        if asked.model:
            check_model(self.known, asked.model)
        check_context(self._settings, asked)
        self._answers += 1
        return self._answers - 1, outcome

    def limits(self) -> Limits | None:
        """Where callers stand in the rate limit, if there is one."""
        limit = self._settings.requests_per_minute
        if limit is None:
            return None
        reset = max(0.0, self._admitted[0] + MINUTE - self._clock()) if self._admitted else 0.0
        remaining = max(0, limit - len(self._admitted))
        return Limits(limit=limit, remaining=remaining, reset=reset, reset_at=self.now() + timedelta(seconds=reset))

    def _take_turn(self) -> None:
        while self._admitted and self._admitted[0] <= self._clock() - MINUTE:
            self._admitted.popleft()
        limits = self.limits()
        if limits is None:
            return
        if not limits.remaining:
            raise Refused(429, "too many requests in this minute", retry_after=math.ceil(limits.reset))
        self._admitted.append(self._clock())
