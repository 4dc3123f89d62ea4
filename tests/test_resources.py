"""What is reported as used of each API, from the ledger or from what this process knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.models import APIQuota, Task, TaskRequirements
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.resources import LLMAPIPool, ResourceManager
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.registry import WorkerRegistry

KEY = "sk-test"
QUOTA = APIQuota(requests_per_day=10, tokens_per_day=1_000, cost_limit_per_day=2.0)


def registry_of(*workers: LLMAPIWorker | OllamaWorker) -> WorkerRegistry:
    registry = WorkerRegistry()
    for worker in workers:
        registry.add(worker)
    return registry


def test_the_ledger_says_what_all_processes_have_used_and_what_remains() -> None:
    worker = LLMAPIWorker("openai", KEY, worker_id="mine", quota=QUOTA)
    asked: list[str] = []

    def spent(credentials: Collection[str]) -> Mapping[str, Total]:
        asked.extend(credentials)
        total = Total(amounts=Amounts(requests=4, tokens=1_200, cost=500_000_000), last_at=1_000_000)
        return {worker.credential: total}

    wire = LLMAPIPool(registry_of(worker), spent).to_dict()
    assert asked == [worker.credential]
    shown = wire["workers"]["mine"]
    assert (shown["requests_today"], shown["tokens_today"], shown["cost_today"]) == (4, 1_200, 0.5)
    assert shown["last_request"] == "1970-01-01T00:00:01+00:00"
    assert shown["quota"] == {"requests_per_day": 10, "tokens_per_day": 1_000, "cost_limit_per_day": 2.0}
    assert shown["quota_remaining"] == {"requests": 6, "tokens": 0, "cost": 1.5}


def test_two_workers_with_one_key_have_used_it_once() -> None:
    workers = [LLMAPIWorker("openai", KEY, worker_id=name) for name in ("a", "b")]
    total = Total(amounts=Amounts(requests=1, tokens=5, cost=None), last_at=0)
    wire = LLMAPIPool(registry_of(*workers), lambda names: dict.fromkeys(names, total)).to_dict()
    assert wire["totals"] == {"requests_today": 1, "tokens_today": 5, "cost_today": 0.0}
    assert wire["total_workers"] == 2


def test_a_credential_that_the_ledger_does_not_know_has_used_nothing() -> None:
    wire = LLMAPIPool(registry_of(LLMAPIWorker("openai", KEY, worker_id="a")), lambda _: {}).to_dict()
    shown = wire["workers"]["a"]
    assert (shown["requests_today"], shown["last_request"]) == (0, None)


def test_without_a_ledger_it_is_what_this_process_knows() -> None:
    worker = LLMAPIWorker("openai", KEY, worker_id="a", quota=QUOTA)
    worker.usage.add_request()
    worker.usage.add_spending(30, Decimal("0.5"))
    wire = LLMAPIPool(registry_of(worker)).to_dict()
    assert wire["totals"] == {"requests_today": 1, "tokens_today": 30, "cost_today": 0.5}
    assert wire["workers"]["a"]["quota_remaining"] == {"requests": 9, "tokens": 970, "cost": 1.5}
    assert wire["workers"]["a"]["last_request"] is not None


def test_without_a_quota_nothing_is_limited() -> None:
    shown = LLMAPIPool(registry_of(LLMAPIWorker("openai", KEY, worker_id="a"))).to_dict()["workers"]["a"]
    assert set(shown["quota"].values()) == {None}
    assert set(shown["quota_remaining"].values()) == {None}


def test_what_running_tasks_hold_is_added_up() -> None:
    needs = [TaskRequirements(cpu_cores=1.5, memory_mb=100), TaskRequirements(gpu=True), TaskRequirements(cpu_cores=1)]
    tasks = [Task(requirements=need) for need in needs]
    stats = ResourceManager(registry_of(OllamaWorker("http://127.0.0.1:9")), lambda: tasks).get_resource_stats()
    assert (stats["active_allocations"], stats["gpus_allocated"], stats["ollama_workers"]) == (3, 1, 1)
    assert (stats["total_cpu_allocated"], stats["total_memory_mb_allocated"]) == (2.5, 100)
    assert stats["llm_api_usage"]["total_workers"] == 0
