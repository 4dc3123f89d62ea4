"""The headers that tell a client how much of its limits is left, as far as that is known."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.callers import Caller
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.quota import Measure
from vera_orchestrator.runtime.accounts import LimitKind, LimitStanding
from vera_orchestrator.windows import SECOND
from vera_orchestrator.workers.llm.worker import LLMWorker

FRESH_SECONDS = 1.0
"""For how long a look at the ledger will do."""
STATE_NAME = "vera_openai_limits"
SHOWN: Mapping[Measure, str] = {Measure.REQUESTS: "requests", Measure.TOKENS: "tokens"}


class LimitBoard:
    """What was last seen of the limits, by caller."""

    def __init__(self) -> None:
        self._seen: dict[str | None, tuple[float, Sequence[LimitStanding]]] = {}

    async def headers(self, orchestrator: UnifiedOrchestrator, caller: Caller, worker_id: str | None) -> dict[str, str]:
        """Return the headers for an answer of a worker: of each measure, those of the limit that leaves the least."""
        worker = None if worker_id is None else orchestrator.worker_registry.get_worker(worker_id)
        if not isinstance(worker, LLMWorker):
            return {}
        told: dict[str, str] = {}
        rate = worker.config.rate_limit_per_minute
        if rate is not None:
            told["x-ratelimit-limit-requests"] = str(rate)
        now = time.time()
        standing = [one for one in await self._standing(orchestrator, caller) if _holds(one, worker, caller)]
        for measure, name in SHOWN.items():
            told |= _tightest((one for one in standing if one.standing.limit.measure is measure), name, now)
        return told

    async def _standing(self, orchestrator: UnifiedOrchestrator, caller: Caller) -> Sequence[LimitStanding]:
        seen_at, standing = self._seen.get(caller.id, (-math.inf, ()))
        if time.monotonic() - seen_at < FRESH_SECONDS:
            return standing
        quotas = {} if caller.quota is None or caller.id is None else {caller.id: caller.quota}
        try:
            standing = await orchestrator.accounts.limits(quotas)
        except JournalUnavailable:  # an answer is worth more than what is said beside it
            return standing
        self._seen[caller.id] = (time.monotonic(), standing)
        return standing


def board_of(app: Any) -> LimitBoard:
    """Return the board of an app."""
    state = app.state
    if not hasattr(state, STATE_NAME):
        setattr(state, STATE_NAME, LimitBoard())
    return cast("LimitBoard", getattr(state, STATE_NAME))


def _holds(one: LimitStanding, worker: LLMWorker, caller: Caller) -> bool:
    match one.kind:
        case LimitKind.ALL:
            return True
        case LimitKind.PROVIDER:
            return one.name == worker.api_type
        case LimitKind.WORKER:
            return one.name == worker.worker_id
        case LimitKind.KEY:
            return one.name == caller.id
        case LimitKind.BUDGET:
            return False


def _tightest(found: Iterable[LimitStanding], name: str, now: float) -> dict[str, str]:
    one = min((one.standing for one in found), key=lambda standing: standing.remaining, default=None)
    if one is None:
        return {}
    told = {
        f"x-ratelimit-limit-{name}": str(one.limit.most),
        f"x-ratelimit-remaining-{name}": str(one.remaining),
    }
    if one.resets_at is not None:
        told[f"x-ratelimit-reset-{name}"] = f"{max(0, math.ceil(one.resets_at / SECOND - now))}s"
    return told
