"""A metered worker that does what its tasks say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from tests.support import needs
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.journal.ledger import Kept
from vera_orchestrator.metering import Channel, Demand, Spent
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.quota import Limits, Rate
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.routing import Offer
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.metered import MeteredWorker

Behaviour = Callable[[Task, Channel], Awaitable[TaskResult]]


class Metered(MeteredWorker):
    """Reserves the payload's `max_tokens`, and runs a function of the test's."""

    def __init__(
        self,
        worker_id: str = "meter",
        behaviour: Behaviour | None = None,
        *,
        limits: Limits | None = None,
        rate: Rate | None = None,
        provider: str = "simulated",
        offers: Sequence[Offer] = (Offer(),),
    ) -> None:
        super().__init__(worker_id, ["metered"], WorkerConfig(max_concurrent_tasks=100))
        self._behaviour = behaviour or use_it_all
        self._limits = limits or Limits()
        self._rate = rate
        self._provider = provider
        self._offers = offers
        self.ran: list[str] = []
        self.models: list[str | None] = []

    async def start(self) -> bool:
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        return True

    async def health_check(self) -> bool:
        return True

    def offers(self, task: Task) -> Sequence[Offer]:
        del task
        return self._offers

    def cache_key(self, task: Task) -> str | None:
        return str(task.payload["cached_as"]) if "cached_as" in task.payload else None

    async def demand(self, task: Task) -> Demand:
        return Demand(
            credential=self.worker_id,
            provider=self._provider,
            model=str(task.payload.get("model")),
            amounts=Amounts(tokens=task.payload.get("max_tokens", 1), cost=task.payload.get("nanos", 0)),
            limits={f"credential:{self.worker_id}": self._limits},
            rates={f"rate:{self.worker_id}": self._rate} if self._rate else {},
        )

    async def attempt(self, task: Task, channel: Channel) -> TaskResult:
        self.ran.append(task.id)
        self.models.append(task.payload.get("model"))
        return await self._behaviour(task, channel)


async def use_it_all(task: Task, channel: Channel) -> TaskResult:
    """Use as many tokens as were reserved."""
    channel.report(Spent(usage=Usage(input=task.payload.get("max_tokens", 1)), cost=Decimal(0)))
    return TaskResult(success=True, data=task.payload.get("data"))


class Held:
    """A behaviour that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, task: Task, channel: Channel) -> TaskResult:
        self.begun.set()
        await self.go_on.wait()
        return await use_it_all(task, channel)


def metered(task_id: str, tokens: int = 1, **more: object) -> Task:
    """Return a task for a metered worker that asks for so many tokens."""
    payload = {
        "max_tokens": tokens,
        **{name: more.pop(name) for name in ("model", "cached_as", "data") if name in more},
    }
    return Task(id=task_id, payload=payload, requirements=needs("metered"), retry_delay_seconds=0, **more)  # pyright: ignore[reportArgumentType]


async def kept(one: Orchestrator, task_id: str) -> list[Kept]:
    """Return what the ledger keeps of a task."""
    row = await one._given.journal.task(task_id)  # pyright: ignore[reportPrivateUsage]
    assert row is not None
    return await one._given.journal.ledger.kept(row.key)  # pyright: ignore[reportPrivateUsage]
