"""What is in use: processors and memory by running tasks, requests and money by LLM APIs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.models import APIQuota, Task
from vera_orchestrator.money import from_nanos
from vera_orchestrator.windows import moment
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.registry import WorkerRegistry

Spent = Callable[[Collection[str]], Mapping[str, Total]]
"""Returns what credentials have used today, in all processes; those that have used nothing may be left out."""


@dataclass(frozen=True, kw_only=True)
class APIUsage:
    """What was used of one LLM API today; money in USD. `last_request` is None where there was none."""

    requests_today: int = 0
    tokens_today: int = 0
    cost_today: float = 0.0
    last_request: datetime | None = None

    def __add__(self, other: APIUsage) -> APIUsage:
        """Return both together, with the later time."""
        times = [time for time in (self.last_request, other.last_request) if time is not None]
        return APIUsage(
            requests_today=self.requests_today + other.requests_today,
            tokens_today=self.tokens_today + other.tokens_today,
            cost_today=self.cost_today + other.cost_today,
            last_request=max(times, default=None),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "requests_today": self.requests_today,
            "tokens_today": self.tokens_today,
            "cost_today": self.cost_today,
        }


class LLMAPIPool:
    """The LLM API workers of a registry; without `spent`, what this process itself has used is shown."""

    def __init__(self, registry: WorkerRegistry, spent: Spent | None = None) -> None:
        self._registry = registry
        self._spent = spent

    @property
    def workers(self) -> list[LLMAPIWorker]:
        """The workers, in the order of their registration."""
        return [worker for worker in self._registry.get_all_workers() if isinstance(worker, LLMAPIWorker)]

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form of what was used; None is unlimited. Blocks for a moment where it is read."""
        workers: dict[str, Any] = {}
        used = self._used()
        for worker in self.workers:
            usage, quota = used[worker.credential], worker.quota
            workers[worker.worker_id] = {
                "api_type": worker.api_type,
                "status": str(worker.status),
                **usage.to_dict(),
                "last_request": usage.last_request.isoformat() if usage.last_request else None,
                "quota": _limits(quota),
                "quota_remaining": _remaining(quota, usage),
            }
        # by credential: two workers with one key have used the same
        totals = sum(used.values(), APIUsage())
        return {"total_workers": len(workers), "workers": workers, "totals": totals.to_dict()}

    def _used(self) -> dict[str, APIUsage]:
        if self._spent is None:
            used: dict[str, APIUsage] = {}
            for worker in self.workers:
                used[worker.credential] = used.get(worker.credential, APIUsage()) + usage_of(worker)
            return used
        credentials = {worker.credential for worker in self.workers}
        totals = self._spent(credentials)
        return {name: usage_in(totals[name]) if name in totals else APIUsage() for name in credentials}


class ResourceManager:
    """Reports what is in use; `running` returns the tasks that run now, `spent` what credentials have used today."""

    def __init__(
        self, registry: WorkerRegistry, running: Callable[[], Iterable[Task]], spent: Spent | None = None
    ) -> None:
        self._registry = registry
        self._running = running
        self.llm_api_pool = LLMAPIPool(registry, spent)

    def get_resource_stats(self) -> dict[str, Any]:
        """Return the wire form."""
        needs = [task.requirements for task in self._running()]
        workers: list[BaseWorker] = self._registry.get_all_workers()
        return {
            "active_allocations": len(needs),
            "total_cpu_allocated": sum(need.cpu_cores or 0.0 for need in needs),
            "total_memory_mb_allocated": sum(need.memory_mb or 0 for need in needs),
            "gpus_allocated": sum(need.gpu for need in needs),
            "llm_api_usage": self.llm_api_pool.to_dict(),
            "ollama_workers": sum(isinstance(worker, OllamaWorker) for worker in workers),
        }


def usage_of(worker: LLMAPIWorker) -> APIUsage:
    """Return what this process has used of a worker's API today (UTC)."""
    usage = worker.usage
    return APIUsage(
        requests_today=usage.requests_today,
        tokens_today=usage.tokens_today,
        cost_today=float(usage.cost_today),
        last_request=usage.last_request,
    )


def usage_in(total: Total) -> APIUsage:
    """Return what the ledger says was used; what is reserved counts, a price that is not known does not."""
    amounts = total.amounts
    return APIUsage(
        requests_today=amounts.requests,
        tokens_today=amounts.tokens,
        cost_today=float(from_nanos(amounts.cost or 0)),
        last_request=moment(total.last_at),
    )


def _limits(quota: APIQuota | None) -> dict[str, Any]:
    return {name: getattr(quota, name, None) for name in ("requests_per_day", "tokens_per_day", "cost_limit_per_day")}


def _remaining(quota: APIQuota | None, usage: APIUsage) -> dict[str, Any]:
    limits = _limits(quota)
    used = {"requests": usage.requests_today, "tokens": usage.tokens_today, "cost": usage.cost_today}
    return {
        name: None if limit is None else max(0, limit - used[name])
        for name, limit in zip(used, limits.values(), strict=True)
    }
