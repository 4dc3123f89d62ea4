"""What is in use: processors and memory by running tasks, requests and money by LLM APIs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vera_orchestrator.models import APIQuota, Task
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.registry import WorkerRegistry


@dataclass(frozen=True, kw_only=True)
class APIUsage:
    """What was used of one LLM API today; money in USD."""

    requests_today: int = 0
    tokens_today: int = 0
    cost_today: float = 0.0

    def __add__(self, other: APIUsage) -> APIUsage:
        """Return both together."""
        return APIUsage(
            requests_today=self.requests_today + other.requests_today,
            tokens_today=self.tokens_today + other.tokens_today,
            cost_today=self.cost_today + other.cost_today,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "requests_today": self.requests_today,
            "tokens_today": self.tokens_today,
            "cost_today": self.cost_today,
        }


class LLMAPIPool:
    """The LLM API workers of a registry."""

    def __init__(self, registry: WorkerRegistry) -> None:
        self._registry = registry

    @property
    def workers(self) -> list[LLMAPIWorker]:
        """The workers, in the order of their registration."""
        return [worker for worker in self._registry.get_all_workers() if isinstance(worker, LLMAPIWorker)]

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form of what was used."""
        totals = APIUsage()
        workers: dict[str, Any] = {}
        for worker in self.workers:
            usage = usage_of(worker)
            totals += usage
            quota = worker.quota
            workers[worker.worker_id] = {
                "api_type": worker.api_type,
                "status": str(worker.status),
                **usage.to_dict(),
                "last_request": worker.last_request.isoformat() if worker.last_request else None,
                "quota": _limits(quota),
                "quota_remaining": _remaining(quota, usage),
            }
        return {"total_workers": len(workers), "workers": workers, "totals": totals.to_dict()}


class ResourceManager:
    """Reports what is in use; `running` returns the tasks that run now."""

    def __init__(self, registry: WorkerRegistry, running: Callable[[], Iterable[Task]]) -> None:
        self._registry = registry
        self._running = running
        self.llm_api_pool = LLMAPIPool(registry)

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
    """Return what was used of a worker's API today."""
    return APIUsage(
        requests_today=worker.requests_today, tokens_today=worker.tokens_today, cost_today=worker.cost_today
    )


def _limits(quota: APIQuota | None) -> dict[str, Any]:
    quota = quota or APIQuota(requests_per_day=None)
    return {
        "requests_per_day": quota.requests_per_day,
        "tokens_per_day": quota.tokens_per_day,
        "cost_limit_per_day": quota.cost_limit_per_day,
    }


def _remaining(quota: APIQuota | None, usage: APIUsage) -> dict[str, Any]:
    limits = _limits(quota)
    used = {"requests": usage.requests_today, "tokens": usage.tokens_today, "cost": usage.cost_today}
    return {
        name: None if limit is None else max(0, limit - used[name])
        for name, limit in zip(used, limits.values(), strict=True)
    }
