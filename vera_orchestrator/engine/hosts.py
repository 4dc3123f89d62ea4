"""Host flows: flow runs in this process that stay open and hold task runs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow, flow
from prefect import Task as PrefectTask
from prefect.client.schemas.objects import RunInput, State, TaskRunResult
from prefect.context import FlowRunContext
from prefect.task_engine import run_task_async

from vera_orchestrator.engine.base import Outcome
from vera_orchestrator.engine.seams import leaves_signals_alone
from vera_orchestrator.engine.slips import Slip, state_of
from vera_orchestrator.enums import TaskStatus

EDGES = "after"
"""The parameter of the ten tasks whose inputs become edges."""

NOWHERE = Path(os.devnull)
Tasks = Mapping[str, PrefectTask[..., Any]]
_current: ContextVar[Host | None] = ContextVar("vera_host", default=None)
_ours: ContextVar[bool] = ContextVar("vera_ours", default=False)
reachable: ContextVar[Callable[[], bool]] = ContextVar("vera_reachable", default=lambda: True)
"""Whether the server of the current context answered lately."""

CANCELLATIONS = 5
CANCELLATION_SECONDS = 0.1
logger = logging.getLogger(__name__)


class Host:
    """One flow run. `open` starts it, `show` adds a task run, `close` lets it end after its last task run.

    `context` is that of the flow run, in which its task runs and their work are started; it carries the client
    settings.
    """

    def __init__(self, tasks: Tasks, run: Flow[..., Any], name: str, parameters: dict[str, Any] | None = None) -> None:
        self._tasks = tasks
        # Nothing is stored, but for a flow without a storage Prefect asks its API for the default one, and blocks the
        # event loop meanwhile.
        self._flow = run.with_options(flow_run_name=name, result_storage=NOWHERE)
        self._parameters = parameters or {}
        self._runs: set[asyncio.Task[Any]] = set()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[Any] | None = None
        self.context: Context | None = None
        self.flow_run_id: UUID | None = None
        self.shown = 0

    @property
    def is_open(self) -> bool:
        """Whether task runs can be added."""
        return self.context is not None and not self._closing.done()

    async def open(self, settings: Context) -> None:
        """Start the flow run; returns when it runs and raises what Prefect raises if it cannot."""
        context = settings.copy()
        context.run(_current.set, self)
        context.run(leaves_signals_alone.set, True)
        context.run(_ours.set, True)
        self._task = asyncio.create_task(self._flow(**self._parameters, return_state=True), context=context)
        self._task.add_done_callback(_note_error)
        await asyncio.wait({self._task, self._opened}, return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            self._opened.cancel()
            await self._task
            raise RuntimeError("the host flow ended before it began")

    def adopt(self) -> None:
        """Use the flow run that the caller is in, instead of a new one."""
        self._enter()

    async def inside(self) -> State[Any] | None:
        """Be the body of the flow."""
        self._enter()
        self._opened.set_result(None)
        outcome = await self._closing
        while self._runs:
            await asyncio.wait(set(self._runs))
        return state_of(outcome)

    def _enter(self) -> None:
        run = FlowRunContext.get()
        if run is not None and run.flow_run is not None:
            self.flow_run_id = run.flow_run.id
        self.context = copy_context()
        self.context.run(_ours.set, True)

    def show(self, slip: Slip) -> None:
        """Add a task run; it ends when its slip has an outcome."""
        assert self.context is not None
        context = self.context.copy()
        context.run(slip.enter)
        edges: set[RunInput] = {TaskRunResult(id=run_id) for run_id in slip.upstream}  # pyright: ignore[reportUnhashable]
        run = asyncio.create_task(
            run_task_async(
                self._tasks[slip.type],
                task_run_id=slip.run_id,
                parameters={EDGES: None},
                dependencies={EDGES: edges},
                return_type="state",
            ),
            context=context,
        )
        self.shown += 1
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        run.add_done_callback(_note_error)

    async def close(self, outcome: Outcome | None = None) -> bool:
        """Let the flow run end after its last task run; return whether Prefect knows of its end."""
        if not self._closing.done():
            self._closing.set_result(outcome or Outcome(status=TaskStatus.COMPLETED))
        waiting = {self._task} if self._task is not None else set(self._runs)
        if waiting:
            await asyncio.wait(waiting)
        return self._task is None or not (self._task.cancelled() or self._task.exception())

    async def cut(self) -> None:
        """End everything now, whatever Prefect knows of it."""
        left = {task for task in (self._task, *self._runs) if task is not None and not task.done()}
        for _ in range(CANCELLATIONS):  # Prefect's answer to the first is a call to its API
            for task in left:
                task.cancel()
            if not left:
                return
            _, left = await asyncio.wait(left, timeout=CANCELLATION_SECONDS)


def _note_error(run: asyncio.Task[Any]) -> None:
    if not run.cancelled() and (error := run.exception()) is not None:
        logger.debug("a run could not be recorded: %r", error)


async def be_host() -> State[Any] | None:
    """Be the body of a flow that was started by a host."""
    host = _current.get()
    assert host is not None, "only a flow that a host started calls this"
    _current.set(None)  # a flow that is started by the work inside is not the host's
    leaves_signals_alone.set(False)
    return await host.inside()


def claim() -> None:
    """Let the current context count as ours."""
    _ours.set(True)


def is_ours() -> bool:
    """Whether the current context is that of a host, its task runs or their work, or of what is sent about them."""
    return _ours.get()


def has_host() -> bool:
    """Whether the flow that runs now was started by a host."""
    return _current.get() is not None


@flow(name="vera-host", persist_result=False, validate_parameters=False)
async def host_flow() -> State[Any] | None:
    """Hold the task runs of one orchestrator for a while."""
    return await be_host()
