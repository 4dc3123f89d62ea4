"""A whole orchestrator with workers for language models, whose providers are simulated on loopback."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.support import PATIENCE, needs, run, settings, soon
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.journal.ledger import Kept
from vera_orchestrator.models import StreamChunk, Task, TaskResult
from vera_orchestrator.workers.base import BaseWorker

KEY = "sk-whole-5e6f7a8b9c"
MODEL = "m"
PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}
"""What follows the address of the simulator in a base_url."""
KINDS = (*PATHS, "ollama")
NOWHERE = "http://127.0.0.1:9"
REFUSED = ("settled", 1, 0, 0)
"""What the account says of a request that the provider has seen and done nothing for."""
NOT_SENT = ("settled", 0, 0, 0)
"""What it says of one that never reached it."""
ENOUGH_PER_MINUTE = 60_000

Make = Callable[..., Awaitable[UnifiedOrchestrator]]


@asynccontextmanager
async def maker(home: Path) -> AsyncGenerator[Make]:
    """Make started orchestrators, and stop them at the end; without more settings none has a model to ask."""
    made: list[UnifiedOrchestrator] = []

    async def start(**more: Any) -> UnifiedOrchestrator:
        options: dict[str, Any] = {
            "docker_pool_size": 0,
            "ollama_url": NOWHERE,
            "database_url": "memory://",
            "drain_seconds": 0,
            "unavailable_wait_seconds": 0.05,
            "breaker_failures": 1_000,
            **more,
        }
        one = UnifiedOrchestrator(settings(home, **options))
        made.append(one)
        await soon(one.start())
        return one

    yield start
    for one in made:
        await soon(one.stop())


async def connected(
    make: Make, kind: str, url: str, *, key: str = KEY, **more: Any
) -> tuple[UnifiedOrchestrator, BaseWorker]:
    """Return an orchestrator with one worker of a kind, which is well."""
    if kind == "ollama":
        one = await make(ollama_url=url, **more)
        (worker,) = [worker for worker in one.worker_registry.get_all_workers() if "ollama" in worker.capabilities]
    else:
        one = await make(**more)
        worker = await registered(one, kind, url, api_key=key)
    assert worker.status is WorkerStatus.IDLE, worker.status_reason
    return one, worker


async def registered(one: UnifiedOrchestrator, kind: str, url: str, **more: Any) -> BaseWorker:
    """Register the worker of a provider at an address."""
    options: dict[str, Any] = {
        "api_key": KEY,
        "base_url": url + PATHS[kind],
        "rate_limit_per_minute": ENOUGH_PER_MINUTE,
        "cost_per_1k_tokens": 1.0,
        **more,
    }
    return one.worker_registry.require(await soon(one.register_llm_api(kind, **options)))


def asking(prompt: str = "one two three", *, prefer_ollama: bool | None = None, **more: Any) -> Task:
    """Return an llm_request; `payload` has more fields of its payload, the rest are the task's own."""
    payload = {"prompt": prompt, "model": MODEL, **more.pop("payload", {})}
    metadata = {} if prefer_ollama is None else {"prefer_ollama": prefer_ollama}
    options: dict[str, Any] = {"timeout_seconds": PATIENCE, "retry_delay_seconds": 0.001, "max_retries": 1, **more}
    return Task(type=TaskType.LLM_REQUEST, payload=payload, metadata=metadata, **options)


async def ask(one: UnifiedOrchestrator, *arguments: Any, **more: Any) -> TaskResult:
    """Run such a task and return its result."""
    return await run(one, asking(*arguments, **more))


async def kept(one: UnifiedOrchestrator, task: Task) -> list[Kept]:
    """Return what the ledger keeps of a task, attempt by attempt."""
    row = await one._given.journal.task(task.id)  # pyright: ignore[reportPrivateUsage]
    assert row is not None
    return await one._given.journal.ledger.kept(row.key)  # pyright: ignore[reportPrivateUsage]


async def streamed(one: UnifiedOrchestrator, task: Task) -> tuple[list[StreamChunk], TaskResult]:
    """Return the chunks of an answer but the last one, and the result that this one holds."""
    *chunks, last = await soon(_all(one, task))
    assert last.result is not None
    return chunks, last.result


async def _all(one: UnifiedOrchestrator, task: Task) -> list[StreamChunk]:
    return [chunk async for chunk in one.submit_stream(task)]


def in_account(attempt: Kept) -> tuple[str, int, int, int | None]:
    """Return what the ledger keeps of an attempt: its state, requests, tokens, and nano-dollars."""
    amounts = attempt.amounts
    return str(attempt.state), amounts.requests, amounts.tokens, amounts.cost


class Fleet:
    """One orchestrator with a worker of each kind; a task is for one of them."""

    def __init__(self, one: UnifiedOrchestrator, workers: dict[str, BaseWorker]) -> None:
        self.one = one
        self.workers = workers

    async def ready(self, kind: str) -> BaseWorker:
        """Return the worker of a kind, which is well whatever happened before."""
        worker = self.workers[kind]
        assert await worker.health_check()
        return worker

    def asking(self, kind: str, **more: Any) -> Task:
        """Return a task for this kind alone."""
        return asking(requirements=needs(worker_id=self.workers[kind].worker_id), **more)
