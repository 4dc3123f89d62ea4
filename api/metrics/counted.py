"""What has happened in this process, counted as it happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from api.metrics.names import Names
from BackgroundCognition.orchestrator import Task, UnifiedOrchestrator
from vera_orchestrator.enums import TaskPriority, TaskStatus
from vera_orchestrator.models import utcnow
from vera_orchestrator.runtime.events import Event, SpendEvent, TaskEvent, TaskEventKind
from vera_orchestrator.usage import COUNTS

MOST_TYPES, MOST_WORKERS, MOST_MODELS = 50, 100, 100
"""Different labels of a kind at most; what comes later is "other"."""
WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
DURATION_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
WAITING_REMEMBERED = 100_000
"""Tasks with dependencies whose beginning to wait is remembered at most."""

Metric = TypeVar("Metric", Counter, Histogram)


class Counted:
    """Counters and histograms in a registry of their own, fed by the events of one orchestrator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._types, self._workers, self._models = Names(MOST_TYPES), Names(MOST_WORKERS), Names(MOST_MODELS)
        self._series: dict[tuple[Counter | Histogram, tuple[str, ...]], Counter | Histogram] = {}
        self._ready_since: dict[str, datetime] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._accepted = self._counter("vera_tasks_accepted", "Tasks that this process took charge of.", "type")
        self._ended = self._counter("vera_tasks", "Tasks that have ended here.", "type", "outcome")
        self._retries = self._counter("vera_task_retries", "Attempts that another attempt follows.", "type", "worker")
        self._wait = Histogram(
            "vera_task_wait_seconds",
            "Time until the first attempt, from the submission, or for a task with dependencies from their end.",
            ["priority"],
            buckets=WAIT_BUCKETS,
            registry=self.registry,
        )
        self._duration = Histogram(
            "vera_task_duration_seconds",
            "Time from the beginning of the last attempt to the committed end.",
            ["type", "worker", "outcome"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self._requests = self._counter("vera_llm_requests", "Requests to language models.", "provider", "model")
        self._tokens = self._counter("vera_tokens", "Tokens of language models.", "provider", "model", "kind")
        self._spend = self._counter("vera_spend_usd", "Money for language models, in USD.", "provider", "model")
        self._unpriced = self._counter(
            "vera_unpriced_requests", "Requests to models without a known price.", "provider", "model"
        )

    def _of(self, metric: Metric, *labels: str) -> Metric:
        """Return a metric's series, which prometheus-client takes long to find."""
        series = self._series.get((metric, labels))
        if series is None:
            series = self._series[metric, labels] = metric.labels(*labels)
        return cast("Metric", series)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def follow(self, orchestrator: UnifiedOrchestrator) -> None:
        """Count what happens there, and no longer what happens where it did before."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._unsubscribe = orchestrator.events.subscribe(self._hear, progress=False)

    def _hear(self, event: Event) -> None:
        if isinstance(event, TaskEvent):
            self._task(event)
        elif isinstance(event, SpendEvent):
            self._spent(event)

    def _task(self, event: TaskEvent) -> None:
        task = event.task
        match event.kind:
            case TaskEventKind.ACCEPTED:
                self._of(self._accepted, self._types(str(task.type))).inc()
            case TaskEventKind.WAITING:
                self._waits(task)
            case TaskEventKind.STARTED:
                self._started(task)
            case TaskEventKind.RETRYING:
                self._of(self._retries, self._types(str(task.type)), self._workers(event.worker_id)).inc()
            case TaskEventKind.ENDED:
                self._has_ended(event)
            case TaskEventKind.PROGRESS:
                pass

    def _waits(self, task: Task) -> None:
        is_ready = task.depends_on and task.status is TaskStatus.QUEUED  # else it waits for others to end
        if is_ready and task.retry_count == 0 and len(self._ready_since) < WAITING_REMEMBERED:
            self._ready_since.setdefault(task.id, utcnow())

    def _started(self, task: Task) -> None:
        since = self._ready_since.pop(task.id, None) if task.depends_on else task.submitted_at
        if task.retry_count == 0 and since is not None and task.started_at is not None:
            seconds = max(0.0, (task.started_at - since).total_seconds())
            self._of(self._wait, TaskPriority(task.priority).name.lower()).observe(seconds)

    def _has_ended(self, event: TaskEvent) -> None:
        task = event.task
        if event.elsewhere:  # whoever ran it has counted it
            return
        self._ready_since.pop(task.id, None)
        kind = self._types(str(task.type))
        self._of(self._ended, kind, task.status.value).inc()
        if task.started_at is not None and task.completed_at is not None:
            worker = self._workers(None if task.result is None else task.result.worker_id)
            seconds = max(0.0, (task.completed_at - task.started_at).total_seconds())
            self._of(self._duration, kind, worker, task.status.value).observe(seconds)

    def _spent(self, event: SpendEvent) -> None:
        names = (event.provider, self._models(event.model))
        self._of(self._requests, *names).inc(event.requests)
        if event.usage is None:
            self._of(self._tokens, *names, "unreported").inc(event.tokens)
        else:
            for kind in COUNTS:
                count = getattr(event.usage, kind)
                if count:
                    self._of(self._tokens, *names, kind).inc(count)
        if event.cost is None:
            self._of(self._unpriced, *names).inc(event.requests)
        else:
            self._of(self._spend, *names).inc(float(event.cost))
