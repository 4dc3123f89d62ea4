"""Admit and route: what may run where, now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import NoWorker, OverLimit, VeraError
from vera_orchestrator.quota import UNKNOWN_PRICE, TokenBucket
from vera_orchestrator.routing import Candidate, Offer, TaskRouter
from vera_orchestrator.runtime.entry import Entry, Group, State
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import REACHABLE, BaseWorker
from vera_orchestrator.workers.metered import MeteredWorker
from vera_orchestrator.workers.registry import WorkerRegistry

ANY_WORKER = "any worker"
SETTLED = "settled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Why a group cannot go on, what would change that (`tokens`), and when at the latest to look again (`until`).

    `group` is the group that it holds for, which may be another than the one the task was in; with `whole_family` it
    holds for its family. `error` is what to end with if it does, and `is_final` says that it can only end.
    """

    group: Group
    status: TaskStatus
    reason: str
    tokens: frozenset[str]
    until: float | None = None
    nothing_fits: bool = False
    unreachable: bool = False
    whole_family: bool = False
    error: VeraError | None = None
    is_final: bool = False


class Obstacle(NamedTuple):
    """Why a worker cannot take a task now, and until when on the steady clock where that is known (infinite: never).

    The reason completes "the worker is", or with `is_sentence` stands by itself.
    """

    reason: str
    until: float | None = None
    by_limit: bool = False
    is_sentence: bool = False


class Seat:
    """A worker with what the orchestrator knows of it: its slots in use, its rate, and its circuit breaker."""

    def __init__(self, worker: BaseWorker, settings: OrchestratorConfig, now: float) -> None:
        self.worker = worker
        self.token = f"worker:{worker.worker_id}"
        rate = worker.config.rate_limit_per_minute
        # the rate of a metered worker is its credential's, and is kept in the ledger for all processes
        self._bucket = TokenBucket(rate, now=now) if rate and not isinstance(worker, MeteredWorker) else None
        self._settings = settings
        self._failures = 0
        self._open_until = 0.0
        self._pause: Obstacle | None = None
        self.last_chosen = 0

    def obstacle(self, now: float) -> Obstacle | None:
        """Return why the worker cannot take a task now."""
        worker = self.worker
        if not worker.is_usable:
            reason = (worker.status_reason or "").rstrip(".")
            return Obstacle(f"{worker.status}" + (f" ({reason})" if reason else ""))
        if self._open_until > now:
            return Obstacle("set aside after repeated failures", self._open_until)
        if self._failures >= self._settings.breaker_failures and worker.running:
            return Obstacle("on probation with one task")
        if worker.running >= worker.config.max_concurrent_tasks:
            return Obstacle("busy")
        if self._pause is not None and (self._pause.until or 0.0) > now:
            return self._pause
        if self._bucket is not None and (ready_at := self._bucket.ready_at(now)) > now:
            return Obstacle("at its rate limit", ready_at, by_limit=True)
        return None

    def pause(self, until: float, reason: str) -> None:
        """Send it nothing until a time: its provider, or a limit, says so."""
        if self._pause is None or (self._pause.until or 0.0) < until:
            self._pause = Obstacle(reason, until, by_limit=True, is_sentence=True)

    def candidate(self, offer: Offer, *, failed_before: bool) -> Candidate:
        """Return the worker with one of its offers as the router sees it."""
        worker = self.worker
        return Candidate(
            worker_id=worker.worker_id,
            status=worker.status,
            load=worker.load,
            latency_ms=worker.metrics.avg_execution_time_ms,
            expected_cost=offer.expected_cost,
            failed_before=failed_before,
            capabilities=worker.capabilities,
            model=offer.model,
            position=offer.position,
            certain=offer.certain,
            last_chosen=self.last_chosen,
        )

    def take(self, now: float) -> None:
        """Use one slot."""
        worker = self.worker
        worker.running += 1
        if self._bucket is not None:
            self._bucket.take(now)
        if worker.status is WorkerStatus.IDLE and worker.running >= worker.config.max_concurrent_tasks:
            worker.status = WorkerStatus.BUSY

    def give_back(self, now: float, *, worker_failed: bool | None) -> None:
        """Free one slot. `worker_failed` is None where the attempt says nothing about the worker."""
        worker = self.worker
        worker.running -= 1
        if worker.status is WorkerStatus.BUSY:
            worker.status = WorkerStatus.IDLE
        if worker_failed is None:
            return
        self._failures = self._failures + 1 if worker_failed else 0
        if self._failures >= self._settings.breaker_failures:
            self._open_until = now + self._settings.breaker_seconds


class Capacity:
    """The workers' slots and the limits across them; `settlements` counts calls whose use has become known here."""

    def __init__(
        self,
        registry: WorkerRegistry,
        router: TaskRouter,
        settings: OrchestratorConfig,
        limits: Callable[[], Mapping[str, int]],
    ) -> None:
        self._registry = registry
        self._router = router
        self._settings = settings
        self._limits = limits
        self._seats: dict[str, Seat] = {}
        self._fitting: dict[Group, list[Seat]] = {}
        self._held: Counter[str] = Counter()
        self._generation = 0
        self._chosen = 0
        self.settlements = 0

    @property
    def state(self) -> State:
        """What refusals were found in."""
        return State(self._generation, self.settlements)

    def workers_changed(self) -> None:
        """Find out anew which workers fit which groups."""
        self._fitting.clear()
        self._generation += 1

    def fitting(self, group: Group, now: float) -> list[Seat]:
        """Return the workers that have what a group needs, usable or not."""
        seats = self._fitting.get(group)
        if seats is None:
            seats = self._fitting[group] = [
                self._seat(worker, now)
                for worker in self._registry.get_all_workers()
                if group.capabilities <= worker.capabilities and group.pinned in (None, worker.worker_id)
            ]
            if len(self._fitting) > 10_000:  # groups come and go with concurrency keys
                self._fitting.clear()
        return seats

    def is_reachable(self, group: Group, now: float) -> bool:
        """Whether one of the fitting workers can be reached."""
        return any(seat.worker.status in REACHABLE for seat in self.fitting(group, now))

    def slots(self, group: Group) -> dict[str, int]:
        """Return the limits, by name, of which a task of the group needs one slot in the whole journal."""
        slots: dict[str, int] = {}
        limit = self._limits().get(group.type)
        if limit is not None:
            slots[f"type:{group.type}"] = limit
        if group.concurrency_key is not None:
            slots[f"key:{group.concurrency_key}"] = 1
        return slots

    def admit(self, entry: Entry, now: float) -> Seat | Wait:
        """Return the worker that takes a task now, or why none does."""
        group = entry.group
        for name, limit in self.slots(group).items():
            if self._held[name] >= limit:
                return self.full(group, name, limit)
        fitting = self.fitting(group, now)
        seats = [seat for seat in fitting if seat.worker.accepts(entry.task)]
        if not seats:
            return Wait(
                group=group,
                status=TaskStatus.WAITING_RESOURCES,
                reason=f"no worker can run it: {describe(group)}",
                tokens=frozenset({ANY_WORKER}),
                nothing_fits=True,
            )
        return self._route(entry, self._refined(group, fitting, seats), seats, now)

    def _refined(self, group: Group, fitting: list[Seat], seats: list[Seat]) -> Group:
        accepted_by = None
        if len(seats) < len(fitting):
            accepted_by = (self._generation, frozenset(seat.worker.worker_id for seat in seats))
        return group if accepted_by == group.accepted_by else group._replace(accepted_by=accepted_by)

    def _route(self, entry: Entry, group: Group, seats: list[Seat], now: float) -> Seat | Wait:
        obstacles: dict[str, Obstacle | None] = {}
        usable: list[Candidate] = []
        for seat in seats:
            obstacle = seat.obstacle(now)
            if obstacle is None:
                usable += self._offered(entry, seat, obstacles, now)
            else:
                obstacles[seat.worker.worker_id] = obstacle
        ranked = self._router.rank(entry.task, usable) if usable else ()
        if ranked:
            entry.considered = {name: why.reason if why else "usable" for name, why in obstacles.items()}
            entry.model = ranked[0].model
            return self._seats[ranked[0].worker_id]
        if usable:
            obstacles.update({one.worker_id: Obstacle("left out by the router") for one in usable})
        left = seats
        if entry.refusals:
            left = [
                one for one in seats if not all(self._is_out(entry, one, o, now) for o in one.worker.offers(entry.task))
            ]
        is_own = bool(usable) or bool(entry.refusals)
        return _why_not(group, seats, left, obstacles, is_own=is_own)

    def _offered(
        self, entry: Entry, seat: Seat, obstacles: dict[str, Obstacle | None], now: float
    ) -> Iterator[Candidate]:
        """Yield what a worker offers, and note what of it the task does not get."""
        worker_id = seat.worker.worker_id
        for offer in seat.worker.offers(entry.task):
            refusal = entry.refused_by(worker_id, offer.model, now, self.state)
            name = worker_id if refusal is None or offer.model is None else f"{worker_id} with {offer.model}"
            if refusal is not None:
                obstacles[name] = Obstacle(refusal.reason, refusal.until, by_limit=refusal.by_limit, is_sentence=True)
                continue
            obstacles[name] = None
            yield seat.candidate(offer, failed_before=worker_id in entry.failed_on)

    def alternatives(self, entry: Entry, worker_id: str, now: float) -> set[str]:
        """Return the workers that can be reached and may take a task, now or later, which has just failed on one.

        That one is among them if it has another model for it.
        """
        return {
            seat.worker.worker_id
            for seat in self.fitting(entry.group, now)
            if seat.worker.status in REACHABLE and seat.worker.accepts(entry.task)
            for offer in seat.worker.offers(entry.task)
            if (seat.worker.worker_id, offer.model) != (worker_id, entry.model)
            and not self._is_out(entry, seat, offer, now)
        }

    def _is_out(self, entry: Entry, seat: Seat, offer: Offer, now: float) -> bool:
        """Whether a worker has refused a task, with this model, for good."""
        refusal = entry.refused_by(seat.worker.worker_id, offer.model, now, self.state)
        return refusal is not None and refusal.until == math.inf

    def full(self, group: Group, name: str, limit: int) -> Wait:
        """Return the wait for a slot of a limit."""
        return Wait(
            group=group,
            status=TaskStatus.WAITING_RESOURCES,
            reason=f"the limit {name} of {limit} is reached",
            tokens=frozenset({f"slot:{name}"}),
            whole_family=name.startswith("type:"),
        )

    def take(self, entry: Entry, seat: Seat, now: float) -> None:
        """Use what `admit` found."""
        seat.take(now)
        self._chosen += 1
        seat.last_chosen = self._chosen
        for name in self.slots(entry.group):
            entry.held.append(name)
            self._held[name] += 1

    def give_back(self, entry: Entry, seat: Seat, now: float, *, worker_failed: bool | None) -> list[str]:
        """Free it again; return the tokens of what is free now."""
        seat.give_back(now, worker_failed=worker_failed)
        tokens = [seat.token]
        for name in entry.held:
            self._held[name] -= 1
            if self._held[name] <= 0:
                del self._held[name]
            tokens.append(f"slot:{name}")
        entry.held.clear()
        return tokens

    def _seat(self, worker: BaseWorker, now: float) -> Seat:
        seat = self._seats.get(worker.worker_id)
        if seat is None or seat.worker is not worker:
            seat = self._seats[worker.worker_id] = Seat(worker, self._settings, now)
        return seat


def _why_not(
    group: Group, seats: list[Seat], left: list[Seat], obstacles: Mapping[str, Obstacle | None], *, is_own: bool
) -> Wait:
    """Return the wait for workers, of which `left` have not refused for good; `is_own`: others may fare differently."""
    met = {name: why for name, why in obstacles.items() if why is not None}
    words = _in_words(met)
    times = [why.until for why in met.values() if why.until is not None and why.until < math.inf]
    unreachable = not any(seat.worker.status in REACHABLE for seat in left)
    by_limit = any(why.by_limit for why in met.values())
    return Wait(
        group=group,
        status=TaskStatus.RATE_LIMITED if by_limit else TaskStatus.WAITING_RESOURCES,
        reason=words,
        tokens=frozenset({ANY_WORKER, *(seat.token for seat in seats), *([SETTLED] if by_limit else [])}),
        until=min(times, default=None),
        unreachable=unreachable,
        # how long workers may be away is counted for each group
        whole_family=not is_own and not unreachable,
        error=_refused_for_good(met, words),
        is_final=not left,
    )


def _refused_for_good(obstacles: Mapping[str, Obstacle], words: str) -> VeraError | None:
    """Return the error for a task that some workers have refused for good, if no other takes it."""
    final = [why for why in obstacles.values() if why.until == math.inf]
    if not final:
        return None
    if not any(why.by_limit for why in final):
        return NoWorker(f"{words}.", remedy="See the status of the workers.")
    if any(UNKNOWN_PRICE in why.reason for why in final):
        return OverLimit(f"{words}.", remedy="Prices are set in llm_prices (VERA_LLM_PRICES).")
    return OverLimit(f"{words}.", remedy="Ask for less (max_tokens, a shorter prompt), or raise the limit.")


def _in_words(obstacles: Mapping[str, Obstacle]) -> str:
    """Return which workers are what, those of one kind together."""
    workers: dict[Obstacle, list[str]] = {}
    for name, why in obstacles.items():
        workers.setdefault(Obstacle(why.reason, is_sentence=why.is_sentence), []).append(name)
    return "; ".join(
        f"{', '.join(names)}{':' if why.is_sentence else ' is' if len(names) == 1 else ' are'} {why.reason}"
        for why, names in list(workers.items())[:5]
    )


def describe(group: Group) -> str:
    """Return what a group needs, in words."""
    needs = ", ".join(sorted(group.capabilities)) or "nothing special"
    return (
        f"it needs {needs}"
        + (f" with the model {group.model}" if group.model else "")
        + (f" on worker {group.pinned}" if group.pinned else "")
    )
