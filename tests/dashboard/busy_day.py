"""A site with much going on, for pictures of it: the only place here where work takes real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from BackgroundCognition.orchestrator import APIQuota, Task, TaskPriority, TaskResult, TaskType, WorkerStatus
from tests.dashboard.site import Site, site_at
from tests.support import Scripted, needs, soon
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

AWAY = "http://10.0.4.17:9000 does not answer: connection refused. Start the node, or remove the worker."
FULL = "/scratch is full: 0 bytes left. Free some space, or set another folder."
PROMPTS = (
    "Sum up the open tickets of this week in five lines",
    "Which of these release notes need a migration guide?",
    "Draft an answer to the customer, friendly and short",
    "Name the three riskiest changes in this diff",
)
ANSWER = "Three changes stand out: the lease is renewed later, one index is new, and the retry budget is halved. " * 2
TABLES = ("orders", "users", "events", "stock")


async def _work(task: Task) -> TaskResult:
    steps = 8
    for step in range(steps):
        await asyncio.sleep(task.payload.get("seconds", 1) / steps)
        if task.on_progress is not None:
            task.on_progress((step + 1) / steps)
    if task.payload.get("fails"):
        return TaskResult(success=False, error=FULL, retryable=False)
    return TaskResult(success=True, data={"rows": 120_431, "file": "out.parquet"})


class Away(Scripted):
    """A worker whose machine does not answer."""

    async def start(self) -> bool:
        self.status, self.status_reason = WorkerStatus.ERROR, AWAY
        return False

    async def health_check(self) -> bool:
        return False


class BusyDay:
    """Submits what such a site would get."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._random = Random(4)
        self._nights = 0

    async def go_on(self, seconds: float) -> None:
        """Submit one task after the other for a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await self._site.submit(self._any_task())
            await asyncio.sleep(self._random.uniform(0.1, 0.5))

    async def night(self, *, fails: bool = False) -> str:
        """Submit a batch and return its id."""
        self._nights += 1
        steps = [self._step(f"extract-{table}") for table in TABLES]
        steps += [
            self._step(f"clean-{table}", f"extract-{table}", fails=fails and table == "stock") for table in TABLES
        ]
        steps.append(self._step("join", "clean-orders", "clean-users"))
        steps.append(self._step("stats", "join", "clean-events"))
        prompt = {"prompt": "Sum up these figures for the board: {stats}"}
        steps.append(Task(id="summarise", type=TaskType.LLM_REQUEST, payload=prompt, depends_on=["stats"]))
        payload = {"tool_name": "text_stats", "tool_input": {"text": "{summarise}"}}
        every = [task.id for task in steps]
        steps.append(Task(id="report", type=TaskType.TOOL_CALL, payload=payload, depends_on=every))
        batch_id = f"nightly-{self._nights}"
        await soon(
            self._site.orchestrator.submit_batch(steps, batch_id=batch_id, name=f"nightly report {self._nights}")
        )
        return batch_id

    def _step(self, name: str, *after: str, fails: bool = False) -> Task:
        payload = {"seconds": self._random.uniform(2, 6), "fails": fails}
        return Task(id=name, payload=payload, depends_on=list(after), requirements=needs("etl"), max_retries=0)

    def _any_task(self) -> Task:
        priority = self._random.choice(list(TaskPriority))
        kind = self._random.random()
        if kind < 0.5:
            payload = {"prompt": self._random.choice(PROMPTS), "stream": True, "max_tokens": 120}
            cloud = {"prefer_ollama": self._random.random() < 0.4}
            return Task(type=TaskType.LLM_REQUEST, payload=payload, tags=["agent"], priority=priority, metadata=cloud)
        if kind < 0.62:
            return Task(type=TaskType.TOOL_CALL, payload={"tool_name": "get_time"}, priority=priority)
        seconds, fails = self._random.uniform(0.5, 5), kind > 0.96
        payload = {"seconds": seconds, "fails": fails, "focus": f"partition {self._random.randrange(96):02}"}
        return Task(payload=payload, tags=["import"], priority=priority, requirements=needs("etl"), max_retries=0)


@asynccontextmanager
async def busy_site(home: Path) -> AsyncGenerator[tuple[Site, BusyDay]]:
    """Run such a site while the block lasts."""
    simulator = Simulator(SimulatorSettings(answers=(ANSWER,), latency=0.3, token_latency=0.04, models=("model-l",)))
    provider_limits = {"openai": {"cost_limit_per_day": 5, "tokens_per_day": 20_000}}
    with serving(simulator) as provider:
        more = {"ollama_url": provider.url, "llm_provider_limits": provider_limits, "max_concurrent_tasks": 11}
        async with site_at(home, **more) as site:
            registry = site.orchestrator.worker_registry
            for worker in (site.gate, site.failing):
                await registry.unregister(worker.worker_id)
            for name in ("etl-1", "etl-2"):
                await registry.register(Scripted(_work, name, ("custom", "etl"), slots=4))
            await _register_models(site, provider.url)
            await registry.register(Away(_work, "node-berlin", ("remote_compute", "gpu"), slots=8))
            yield site, BusyDay(site)


async def _register_models(site: Site, url: str) -> None:
    none = {"requests_per_minute": None, "requests_per_hour": None}
    quotas = {
        "openai": APIQuota(**none, requests_per_day=400, cost_limit_per_day=2.5),
        "anthropic": APIQuota(**none, requests_per_day=9),
    }
    for kind, quota in quotas.items():
        await soon(
            site.orchestrator.register_llm_api(
                kind,
                f"key-{kind}",
                base_url=f"{url}/v1" if kind == "openai" else url,
                worker_id=f"{kind}-main",
                quota=quota,
                default_model="model-l",
                cost_per_1k_tokens=0.06,
                rate_limit_per_minute=6_000,
            )
        )
