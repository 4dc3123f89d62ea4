"""How an orchestrator stands, read when somebody asks, as metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from api.endpoints.status import package_version
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.money import from_nanos
from vera_orchestrator.reservation import Measure
from vera_orchestrator.runtime.accounts import LimitStanding

MOST_WORKERS = 200
MOST_LIMITS = 500


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One look at an orchestrator; `limits` is None where the journal did not answer."""

    orchestrator: UnifiedOrchestrator
    limits: Sequence[LimitStanding] | None
    read_seconds: float

    @classmethod
    async def of(cls, orchestrator: UnifiedOrchestrator) -> Standing:
        """Look."""
        began = time.perf_counter()
        try:
            limits = await orchestrator.accounts.limits()
        except JournalUnavailable:
            limits = None
        return cls(orchestrator=orchestrator, limits=limits, read_seconds=time.perf_counter() - began)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._life()
        yield from self._queues()
        yield from self._workers()
        yield from self._journal()
        yield from self._prefect()
        yield from self._quotas()

    def _life(self) -> Iterator[Metric]:
        one = self.orchestrator
        yield InfoMetricFamily("vera_build", "The version that runs.", {"version": package_version()})
        yield _gauge("vera_running", "Whether the orchestrator runs.", one.is_running)
        yield _gauge("vera_draining", "Whether it takes no more tasks.", one.is_draining)
        started_at = one.started_at or 0.0
        yield _gauge("vera_start_time_seconds", "When it was started, in seconds since 1970.", started_at)
        metrics = one.metrics
        yield _gauge("vera_tasks_running", "Tasks that run here now.", metrics["active_tasks"])
        yield _gauge("vera_tasks_waiting", "Tasks that wait here, for whatever it is.", metrics["queued_tasks"])

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("vera_queue_depth", "Tasks that wait for a worker.", labels=["priority"])
        oldest = GaugeMetricFamily(
            "vera_queue_oldest_seconds", "How long the oldest of them has waited.", labels=["priority"]
        )
        for priority, queue in self.orchestrator.get_queues().items():
            depth.add_metric([priority], queue["waiting"])
            oldest.add_metric([priority], queue["oldest_wait_seconds"])
        yield depth
        yield oldest

    def _workers(self) -> Iterator[Metric]:
        workers = self.orchestrator.worker_registry.get_all_workers()
        by_status = GaugeMetricFamily("vera_workers", "Workers by status.", labels=["status"])
        for status in WorkerStatus:
            by_status.add_metric([status.value], sum(worker.status is status for worker in workers))
        yield by_status
        up = GaugeMetricFamily("vera_worker_up", "Whether a worker can take tasks.", labels=["worker"])
        running = GaugeMetricFamily("vera_worker_running_tasks", "Tasks that it runs.", labels=["worker"])
        slots = GaugeMetricFamily("vera_worker_slots", "Tasks that it can run at a time.", labels=["worker"])
        for worker in workers[:MOST_WORKERS]:
            up.add_metric([worker.worker_id], worker.is_usable)
            running.add_metric([worker.worker_id], worker.running)
            slots.add_metric([worker.worker_id], worker.config.max_concurrent_tasks)
        yield from (up, running, slots)

    def _journal(self) -> Iterator[Metric]:
        backlog = self.orchestrator.journal_backlog
        yield _gauge("vera_journal_up", "Whether the journal answers.", self.limits is not None)
        yield _gauge("vera_journal_read_seconds", "How long it took to answer just now.", self.read_seconds)
        yield _gauge("vera_journal_queued_writes", "Writes that wait for their turn.", backlog.writes)
        yield _gauge("vera_journal_lag_seconds", "How long the writes before them have taken so far.", backlog.seconds)

    def _prefect(self) -> Iterator[Metric]:
        engine = self.orchestrator.engine
        status = engine.status
        yield _gauge("vera_prefect_connected", "Whether runs are recorded in Prefect.", status.connected)
        yield _gauge("vera_prefect_recorded_runs", "Runs handed to Prefect.", status.recorded)
        yield _gauge("vera_prefect_queued_runs", "Runs that wait to be recorded.", engine.backlog)
        yield CounterMetricFamily(
            "vera_prefect_unrecorded_runs", "Runs that Prefect was not told of.", value=status.unrecorded
        )

    def _quotas(self) -> Iterator[Metric]:
        labels = ["scope", "name", "kind", "per"]
        limit = GaugeMetricFamily("vera_quota_limit", "The most that may be used; money in USD.", labels=labels)
        used = GaugeMetricFamily("vera_quota_used", "What is used or reserved of it.", labels=labels)
        left = GaugeMetricFamily("vera_quota_remaining", "What is left of it.", labels=labels)
        for one in (self.limits or ())[:MOST_LIMITS]:
            standing, measure = one.standing, one.standing.limit.measure
            names = [one.kind.value, one.name or "", measure.value, standing.limit.window.value]
            limit.add_metric(names, _amount(measure, standing.limit.most))
            used.add_metric(names, _amount(measure, standing.used))
            left.add_metric(names, _amount(measure, standing.remaining))
        yield from (limit, used, left)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _amount(measure: Measure, amount: int) -> float:
    return float(from_nanos(amount) if measure is Measure.COST else amount)
