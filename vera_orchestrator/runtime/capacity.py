"""Admit and route: what may run where, now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.models import Task
from vera_orchestrator.quota import TokenBucket
from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.runtime.entry import Entry, Group
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import REACHABLE, BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

ANY_WORKER = "any worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Why a group cannot go on, what would change that (`tokens`), and when at the latest to look again (`until`).

    `group` is the group that it holds for, which may be another than the one the task was in; with `whole_family` it
    holds for all groups that differ from it only in the concurrency key.
    """

    group: Group
    status: TaskStatus
    reason: str
    tokens: frozenset[str]
    until: float | None = None
    nothing_fits: bool = False
    unreachable: bool = False
    whole_family: bool = False


class Seat:
    """A worker with what the orchestrator knows of it: its slots in use, its rate, and its circuit breaker."""

    def __init__(self, worker: BaseWorker, settings: OrchestratorConfig, now: float) -> None:
        self.worker = worker
        self.token = f"worker:{worker.worker_id}"
        rate = worker.config.rate_limit_per_minute
        self._bucket = TokenBucket(rate, now=now) if rate else None
        self._settings = settings
        self._failures = 0
        self._open_until = 0.0

    def obstacle(self, now: float) -> tuple[str, float | None] | None:
        """Return why the worker cannot take a task now, and until when where that is known."""
        worker = self.worker
        if not worker.is_usable:
            reason = (worker.status_reason or "").rstrip(".")
            return f"{worker.status}" + (f" ({reason})" if reason else ""), None
        if self._open_until > now:
            return "set aside after repeated failures", self._open_until
        if self._failures >= self._settings.breaker_failures and worker.running:
            return "on probation with one task", None
        if worker.running >= worker.config.max_concurrent_tasks:
            return "busy", None
        if self._bucket is not None and (ready_at := self._bucket.ready_at(now)) > now:
            return "at its rate limit", ready_at
        return None

    def candidate(self, task: Task, *, failed_before: bool, unusable: str | None) -> Candidate:
        """Return the worker as the router sees it."""
        worker = self.worker
        return Candidate(
            worker_id=worker.worker_id,
            status=worker.status,
            load=worker.load,
            latency_ms=worker.metrics.avg_execution_time_ms,
            expected_cost=worker.expected_cost(task),
            unusable=unusable,
            failed_before=failed_before,
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
    """The workers' slots and the limits across them."""

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
        obstacles = {seat.worker.worker_id: seat.obstacle(now) for seat in seats}
        usable = [
            seat.candidate(entry.task, failed_before=entry.failed_on == seat.worker.worker_id, unusable=None)
            for seat in seats
            if obstacles[seat.worker.worker_id] is None
        ]
        ranked = self._router.rank(entry.task, usable) if usable else ()
        if ranked:
            entry.considered = {worker_id: why[0] if why else "usable" for worker_id, why in obstacles.items()}
            return self._seats[ranked[0].worker_id]
        if usable:
            obstacles.update({one.worker_id: ("left out by the router", None) for one in usable})
        return _why_not(group, seats, obstacles, by_router=bool(usable))

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
    group: Group, seats: list[Seat], obstacles: Mapping[str, tuple[str, float | None] | None], *, by_router: bool
) -> Wait:
    reasons = {worker_id: why for worker_id, why in obstacles.items() if why is not None}
    times = [until for _, until in reasons.values() if until is not None]
    limited = any(reason == "at its rate limit" for reason, _ in reasons.values())
    unreachable = not any(seat.worker.status in REACHABLE for seat in seats)
    return Wait(
        group=group,
        status=TaskStatus.RATE_LIMITED if limited else TaskStatus.WAITING_RESOURCES,
        reason=_in_words({worker_id: reason for worker_id, (reason, _) in reasons.items()}),
        tokens=frozenset({ANY_WORKER, *(seat.token for seat in seats)}),
        until=min(times, default=None),
        unreachable=unreachable,
        # a router may judge by the key, and how long workers may be away is counted for each group
        whole_family=not by_router and not unreachable,
    )


def _in_words(reasons: Mapping[str, str]) -> str:
    """Return which workers are what, those of one kind together."""
    workers: dict[str, list[str]] = {}
    for worker_id, reason in reasons.items():
        workers.setdefault(reason, []).append(worker_id)
    return "; ".join(
        f"{', '.join(ids)} {'is' if len(ids) == 1 else 'are'} {reason}" for reason, ids in list(workers.items())[:5]
    )


def describe(group: Group) -> str:
    """Return what a group needs, in words."""
    needs = ", ".join(sorted(group.capabilities)) or "nothing special"
    return f"it needs {needs}" + (f" on worker {group.pinned}" if group.pinned else "")
