"""Admit and settle on metered workers: what an attempt may use is reserved before it, and replaced by what it used."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from vera_orchestrator.errors import InvalidValue, JournalUnavailable, NotConfigured, VeraError
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.ledger import Booking, Ledger
from vera_orchestrator.keys import Keys
from vera_orchestrator.metering import NOT_SENT, Channel, Demand, Spent
from vera_orchestrator.models import APIQuota, Task, TaskResult
from vera_orchestrator.money import from_nanos
from vera_orchestrator.quota import Fits, Limits, Never, WaitUntil
from vera_orchestrator.reservation import Measure
from vera_orchestrator.runtime.attempt import Attempts
from vera_orchestrator.runtime.codec import decode_result, encode_result
from vera_orchestrator.runtime.entry import Call, Entry, Refusal
from vera_orchestrator.runtime.events import Events, SpendEvent
from vera_orchestrator.runtime.transcripts import Transcripts
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.windows import SECOND
from vera_orchestrator.workers.metered import MeteredWorker

EVERYTHING = "all models"
BUDGET = "budget:"
KEY = "key:"
SKEWED_SECONDS = 0.25
LATE_SECONDS = 1.0
RECHECK_SECONDS = 1.0
"""How often to ask again what has no room: others may have used less than they had reserved."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """An attempt that cannot go now; with `pauses_worker` nothing can go on this worker."""

    refusal: Refusal
    pauses_worker: bool = False


class Late(VeraError):
    """So long after its reservation that the provider could count it elsewhere: it is admitted anew."""

    retryable = True


class Metering:
    """Keeps account of attempts on metered workers. `surely` repeats a write until the journal has answered."""

    def __init__(
        self,
        settings: OrchestratorConfig,
        journal: Journal,
        attempts: Attempts,
        surely: Callable[[Callable[[], Awaitable[bool]]], Awaitable[bool]],
        keys: Keys,
        events: Events,
        transcripts: Transcripts,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._attempts = attempts
        self._surely = surely
        self._keys = keys
        self._events = events
        self._transcripts = transcripts
        self._not_used: deque[str] = deque()
        self._giving_back: asyncio.Task[None] | None = None
        zone = settings.llm_time_zone
        self._everything = Limits.of_quota(settings.llm_limits, zone)
        self._providers = _limits(settings.llm_provider_limits, zone)
        self._budgets = _limits(settings.llm_budgets, zone)
        # a named budget may be any task's, so all keep to their bounds where there is one
        all_limits = [self._everything, *self._providers.values(), *self._budgets.values()]
        self._caps_output = any(_bounds_calls(one) for one in all_limits)
        self._slack = round(settings.llm_slack_seconds * SECOND)

    @property
    def _ledger(self) -> Ledger:
        return self._journal.ledger

    async def admit(self, entry: Entry, worker: MeteredWorker) -> Refused | None:
        """Reserve what an attempt may use; None if it can begin, with `entry.call` set.

        What is wrong with the task itself is left for the attempt to raise. Raises JournalUnavailable or LeaseLost.
        """
        call = entry.call = Call()
        if entry.task.budget is not None and entry.task.budget not in self._budgets:
            call.problem = NotConfigured(
                f"this orchestrator knows no budget {entry.task.budget!r}.",
                field="budget",
                remedy="Give all orchestrators on one journal the same llm_budgets.",
            )
            return None
        try:
            task, call.secrets = await self._attempts.prepare(entry)
            call.answered = await self._from_cache(call, task, worker)
            if call.answered is not None:
                return None
            # a placeholder for a model has become its name by now, and is for the worker to read
            if entry.model is not None and task.payload.get("model") == entry.payload.get("model"):
                task = copy.copy(task) if task is entry.task else task  # else it is the attempt's own
                task.payload = {**task.payload, "model": entry.model}
            call.task = task
            own = await self._limits_of(entry.task.caller)
            worker.caps_output = self._caps_output
            demand = await worker.demand(task)
        except JournalUnavailable:
            raise
        except VeraError as error:
            call.problem = error
            return None
        call.prepared = demand.prepared
        booking = self._booking(entry, worker, demand, own)
        call.booking = booking  # now: it may be written although the answer never comes
        found = await self._ledger.reserve(booking, slack=self._slack)
        if isinstance(found, Fits):
            call.late_at = time.monotonic() + max(LATE_SECONDS, self._settings.llm_slack_seconds)
            return None
        entry.call = None
        return _refused(found)

    async def _limits_of(self, caller: str | None) -> Mapping[str, Limits]:
        """Return the scope of a task's key, with its limits as they are now."""
        if caller is None:
            return {}
        limits = await self._keys.limits(caller)
        # for good: a call must be sent with the bounds that it was admitted with
        self._caps_output = self._caps_output or _bounds_calls(limits)
        return {KEY + caller: limits}

    async def _from_cache(self, call: Call, task: Task, worker: MeteredWorker) -> TaskResult | None:
        call.cache_key = worker.cache_key(task) if task.store else None
        if call.cache_key is None:
            return None
        kept = await self._ledger.answer(call.cache_key, since=time.time() - self._settings.llm_cache_seconds)
        result = decode_result(kept)
        if result is not None:
            result.metrics = {**result.metrics, "cached": True, "cost_usd": 0.0}
        return result

    def _booking(self, entry: Entry, worker: MeteredWorker, demand: Demand, own: Mapping[str, Limits]) -> Booking:
        provider = f"provider:{demand.provider}"
        scopes = {
            **demand.limits,
            provider: self._providers.get(demand.provider, _UNLIMITED),
            EVERYTHING: self._everything,
            **own,
        }
        if entry.group.budget is not None:
            scopes[BUDGET + entry.group.budget] = self._budgets[entry.group.budget]
        return Booking(
            key=uuid4().hex,
            task=entry.key,
            owner=entry.owner,
            worker_id=worker.worker_id,
            provider=demand.provider,
            model=demand.model,
            amounts=demand.amounts,
            scopes=scopes,
            rates=demand.rates,
            caller=entry.task.caller,
            tags=entry.task.tags,
        )

    def begin(self, call: Call, entry: Entry) -> Channel:
        """Return the channel of a call that begins now; raises Late.

        Where the payload had secrets nobody listens: a chunk may hold half of one.
        """
        if time.monotonic() > call.late_at:
            raise Late("it began too long after its reservation.")
        call.channel = Channel() if call.secrets else Channel(entry.listener, self._transcripts.begin(entry.task))
        call.channel.prepared, call.prepared = call.prepared, None
        return call.channel

    def settle(self, call: Call) -> asyncio.Task[Any] | None:
        """Replace what was reserved for a call by what was used; what goes on in the background is returned."""
        if call.booking is None:
            return None
        spent = NOT_SENT if call.channel is None else call.channel.spent
        # begun here and now: so it is written before the end of the task is
        first = self._ledger.settle(call.booking.key, spent)
        return asyncio.create_task(self._settled(call.booking, spent, first))

    def take_back(self, call: Call) -> asyncio.Task[None] | None:
        """Give back what was reserved for a task that was not committed; the new task that does so is returned.

        One does it for all: while the journal is away, nothing bounds how many there are.
        """
        if call.booking is None:
            return None
        self._not_used.append(call.booking.key)
        if self._giving_back is not None and not self._giving_back.done():
            return None
        self._giving_back = asyncio.create_task(self._give_back())
        return self._giving_back

    async def _give_back(self) -> None:
        while self._not_used:
            key = self._not_used[0]
            await self._surely(lambda key=key: self._ledger.settle(key, NOT_SENT))
            self._not_used.popleft()

    async def _settled(self, booking: Booking, spent: Spent | None, first: Awaitable[bool]) -> None:
        key = booking.key
        try:
            await first
        except JournalUnavailable:
            await self._surely(lambda: self._ledger.settle(key, spent))
        except InvalidValue as error:
            logger.error("what a provider says that a call used is not credible, the estimate stays: %s", error)
            spent = None
            await self._surely(lambda: self._ledger.settle(key, None))
        if self._events.has_listeners and spent is not NOT_SENT:
            self._events.spent(_event_of(booking, spent))

    async def keep(self, call: Call, result: TaskResult) -> None:
        """Keep a new answer for tasks that ask for the same."""
        if call.cache_key is None or not result.success:
            return
        try:
            text = encode_result(result, self._settings.max_result_bytes)
            await self._ledger.keep_answer(call.cache_key, text, at=time.time())
        except VeraError as error:
            logger.warning("an answer could not be kept for other tasks: %s", error)


_UNLIMITED = Limits()


def _event_of(booking: Booking, spent: Spent | None) -> SpendEvent:
    usage, cost = (spent.usage, spent.cost) if spent is not None else (None, None)
    is_estimate = usage is None or usage.estimated or cost is None
    if cost is None and booking.amounts.cost is not None:
        cost = from_nanos(booking.amounts.cost)
    return SpendEvent(
        caller=booking.caller,
        tags=tuple(booking.tags),
        worker_id=booking.worker_id,
        provider=booking.provider,
        model=booking.model,
        requests=spent.requests if spent is not None else booking.amounts.requests,
        tokens=usage.tokens if usage is not None else booking.amounts.tokens,
        cost=cost,
        usage=usage,
        is_estimate=is_estimate,
    )


def _bounds_calls(limits: Limits) -> bool:
    """Return whether limits are on what a call uses, and not only on how many there are."""
    return any(limit.measure is not Measure.REQUESTS for limit in limits.each())


def _limits(quotas: Mapping[str, APIQuota], zone: str) -> dict[str, Limits]:
    return {name: Limits.of_quota(quota, zone) for name, quota in quotas.items()}


def _refused(found: WaitUntil | Never) -> Refused:
    if isinstance(found, Never):
        return Refused(refusal=Refusal(math.inf, found.reason, by_limit=True))
    left = found.time / SECOND - time.time()
    if left <= 0:  # the store's clock is behind
        left = SKEWED_SECONDS
    refusal = Refusal(time.monotonic() + max(0.01, min(RECHECK_SECONDS, left)), found.reason, by_limit=True)
    is_of_some = found.scope.startswith((BUDGET, KEY))
    return Refused(refusal=refusal, pauses_worker=found.any_size and not is_of_some)
