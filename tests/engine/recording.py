"""Orchestrators that record in a real Prefect server, and reading back what the server knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import prefect.settings
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    TaskRunFilter,
    TaskRunFilterName,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.settings import temporary_settings

from flows.run_batch import run_batch as batch_flow
from tasks import TASKS
from tests.support import PATIENCE, settings
from vera_orchestrator.engine.prefect_engine import PrefectEngine
from vera_orchestrator.engine.server import ServerAddress
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.runtime.parts import Outside
from vera_orchestrator.runtime.settlement import Hooks
from vera_orchestrator.secrets import Sealer
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

START_SECONDS = 180.0
"""For a server that makes its tables first, beside other tests."""

BETWEEN_READS = 0.05
READ_AT_A_TIME = 200
T = TypeVar("T")


def recorded(home: Path, *workers: BaseWorker, **more: Any) -> Orchestrator:
    """Return an orchestrator, not started, that records in the embedded server of its state folder."""
    config = settings(
        home,
        **{
            "prefect": "embedded",
            "prefect_limits_seconds": 0.1,
            "drain_seconds": 0,
            "prefect_start_seconds": START_SECONDS,
            **more,
        },
    )
    registry = WorkerRegistry()
    for worker in workers:
        registry.add(worker)
    return Orchestrator(
        Outside(
            config=config,
            journal=make_journal(config.journal_url),
            engine=PrefectEngine(config, TASKS, batch_flow),
            sealer=Sealer.from_file(config.home / "seal.key"),
            registry=registry,
            router=TaskRouter(),
            scope=lambda _: True,
            hooks=Hooks(),
        )
    )


def host_run(orchestrator: Orchestrator) -> UUID | None:
    """Return the id of the flow run that shows single tasks now."""
    engine = orchestrator.engine
    assert isinstance(engine, PrefectEngine)
    return engine.host_run_id


async def next_host(orchestrator: Orchestrator, after: UUID | None = None) -> UUID:
    """Return the id of the flow run that shows single tasks, once it is another than the one before."""

    async def read() -> UUID | None:
        return host_run(orchestrator)

    host = await eventually(read, lambda host: host not in (None, after))
    assert host is not None
    return host


def shown_batches(orchestrator: Orchestrator) -> asyncio.Queue[str]:
    """Return a queue of the ids of the flow runs of batches, as they begin."""
    shown: asyncio.Queue[str] = asyncio.Queue()
    inform = orchestrator.engine.on_shown_batch

    def note(key: int, flow_run_id: str) -> None:
        inform(key, flow_run_id)
        shown.put_nowait(flow_run_id)

    orchestrator.engine.on_shown_batch = note
    return shown


async def eventually(
    read: Callable[[], Awaitable[T]], is_right: Callable[[T], object], *, within: float = PATIENCE
) -> T:
    """Read until what was read is right, and return it; fails with the last reading."""
    never = asyncio.Event()
    deadline = asyncio.get_running_loop().time() + within
    while True:
        value = await read()
        if is_right(value):
            return value
        assert asyncio.get_running_loop().time() < deadline, f"{value!r:.2000}"
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), BETWEEN_READS)


@contextmanager
def client_settings(address: ServerAddress) -> Generator[None]:
    """Make a server the one that Prefect's clients use."""
    updates = {getattr(prefect.settings, name): value for name, value in address.client_settings.items()}
    with temporary_settings(updates=updates):
        yield


class Records:
    """What a Prefect server knows, read by its API."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[PrefectClient]:
        """A client of the server."""
        with client_settings(self.address):
            async with get_client() as client:
                yield client

    async def flow_run(self, flow_run_id: UUID | str) -> FlowRun:
        """Return a flow run."""
        async with self.client() as client:
            return await client.read_flow_run(UUID(str(flow_run_id)))

    async def flow_runs(self, name: str) -> Sequence[FlowRun]:
        """Return the flow runs of a name."""
        async with self.client() as client:
            return await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))

    async def task_runs(self, flow_run_id: UUID | str) -> dict[str, TaskRun]:
        """Return the task runs of a flow run by name, a later one for an earlier."""
        return {run.name: run for run in await self.all_task_runs(flow_run_id)}

    async def all_task_runs(self, flow_run_id: UUID | str) -> list[TaskRun]:
        """Return the task runs of a flow run, in the order of their start."""
        found: list[TaskRun] = []
        async with self.client() as client:
            while True:
                page = await client.read_task_runs(
                    flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(flow_run_id))])),
                    offset=len(found),
                    limit=READ_AT_A_TIME,
                )
                found += page
                if len(page) < READ_AT_A_TIME:
                    return sorted(found, key=lambda run: str(run.start_time))

    async def task_run(self, name: str) -> TaskRun | None:
        """Return the task run of a name."""
        async with self.client() as client:
            runs = await client.read_task_runs(task_run_filter=TaskRunFilter(name=TaskRunFilterName(any_=[name])))
        return runs[0] if runs else None

    async def ended_run(self, name: str) -> TaskRun:
        """Return the task run of a name once it is shown to have ended."""
        run = await eventually(lambda: self.task_run(name), lambda run: has_ended(run))
        assert run is not None
        return run

    async def ended_flow_run(self, flow_run_id: UUID | str) -> FlowRun:
        """Return a flow run once it is shown to have ended."""
        return await eventually(lambda: self.flow_run(flow_run_id), has_ended)

    async def ended_runs(self, flow_run_id: UUID | str, count: int) -> list[TaskRun]:
        """Return the task runs of a flow run once there are so many, all ended."""
        return await eventually(
            lambda: self.all_task_runs(flow_run_id), lambda runs: len(runs) >= count and all(map(has_ended, runs))
        )


def has_ended(run: TaskRun | FlowRun | None) -> bool:
    """Whether a run is shown to have ended."""
    return run is not None and run.state is not None and run.state.is_final()


def state_name(run: TaskRun | FlowRun) -> str:
    """Return the name of a run's state; empty while it has none, as the server writes the run before its state."""
    return (run.state.name or "") if run.state is not None else ""
