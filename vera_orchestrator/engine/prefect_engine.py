"""The engine on Prefect. No task waits for Prefect's API: what cannot be recorded is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect import Task as PrefectTask

from vera_orchestrator.engine.advice import advice_for
from vera_orchestrator.engine.base import BatchPlan, Body, Engine, Label, Outcome
from vera_orchestrator.engine.batches import BatchRecord
from vera_orchestrator.engine.connection import Connection, call, connect, read_cancelled, read_limits
from vera_orchestrator.engine.events import direct_events, send_rest
from vera_orchestrator.engine.hosts import Host, host_flow, reachable
from vera_orchestrator.engine.lanes import Lane
from vera_orchestrator.engine.open_runs import OpenRuns, end_left_open
from vera_orchestrator.engine.quiet import EngineChatter, hush, unhush
from vera_orchestrator.engine.seams import install
from vera_orchestrator.engine.server import EmbeddedServer
from vera_orchestrator.engine.slips import Slip
from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.settings import OrchestratorConfig

GOODBYE_SECONDS = 5.0
HASTY_GOODBYE_SECONDS = 0.1
TASK_RUNS_REMEMBERED = 10_000
WAITING_SLIPS = 1_000
logger = logging.getLogger(__name__)


class PrefectEngine(Engine):
    """Runs tasks in this process and shows them as Prefect runs.

    `tasks` are the Prefect tasks by task type, `batch_flow` is the flow that shows a batch. With `adopt` the flow run
    that `start` is called in shows everything, and its server is used.
    """

    def __init__(
        self,
        settings: OrchestratorConfig,
        tasks: Mapping[str, PrefectTask[..., Any]],
        batch_flow: Flow[..., Any],
        *,
        adopt: bool = False,
    ) -> None:
        super().__init__()
        self._adopt = adopt
        self._settings = settings
        self._twins = {name: untagged(task) for name, task in tasks.items()}
        self._batch_flow = batch_flow
        self._server = EmbeddedServer.of(settings)
        self._connection: Connection | None = None
        self._plain = copy_context()
        self._host: Host | None = None
        self._hosts: set[Host] = set()
        self._open_runs: OpenRuns | None = None
        self._opening: asyncio.Task[None] | None = None
        self._waiting: list[Slip] = []
        self._lanes: dict[str, Lane] = {}
        self._task_runs: dict[int, UUID] = {}
        self._batches: dict[int, BatchRecord] = {}
        self._openings: dict[int, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._advising: asyncio.Task[None] | None = None
        self._chatter: EngineChatter | None = None

    # life

    async def start(self) -> None:
        """Connect and open the first host; see `status` for whether that worked."""
        if self._watching is not None:
            return
        install()
        self._plain = copy_context()
        self._chatter = hush()
        if self._adopt:
            self._host = Host(self._twins, host_flow, "adopted")
            self._host.adopt()
        else:
            self._open_runs = OpenRuns(self._settings.home)
        try:
            await self._connect()
        except PrefectUnavailable as error:
            self._away(error)
        self._watching = asyncio.create_task(self._watch(), name="vera-prefect")

    async def _connect(self) -> None:
        connection = await connect(self._settings, self._server)
        moved = self._connection is None or connection.api_url != self._connection.api_url
        if moved:
            self._use(connection)
        await call(connection, self._read_limits())
        self.status.connected, self.status.reason = True, None
        if not self._adopt:
            self._spawn(self._end_left_open(connection))
            if self._advising is None and not connection.embedded:
                self._advising = asyncio.create_task(self._advise(connection), name="vera-advice")
            if moved or self._host is None or not self._host.is_open:
                self._renew_host()

    def _use(self, connection: Connection) -> None:
        self._connection = connection
        self.status.api_url, self.status.ui_url = connection.api_url, connection.ui_url
        loop = asyncio.get_running_loop()

        def lost() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(self._lost)

        connection.context.run(reachable.set, lambda: self.status.connected)
        direct_events(connection.context, connection.api_url, lost)

    def _lost(self) -> None:
        self.status.recorded -= 1
        self.status.unrecorded += 1

    def _away(self, error: BaseException) -> None:
        if self.status.connected or self.status.reason is None:
            logger.warning("Prefect cannot be reached; tasks go on, their runs may not be recorded: %s", error)
        self.status.connected, self.status.reason = False, str(error)

    async def stop(self) -> None:
        """Close the open runs, send the last events, and let the embedded server go."""
        if self._watching is None:
            return
        for task in filter(None, (self._watching, self._advising)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._watching, self._advising = None, None
        await self._say_goodbye(GOODBYE_SECONDS if self.status.connected else HASTY_GOODBYE_SECONDS)
        self._host, self._opening, self._connection = None, None, None
        self._waiting.clear()
        self._lanes.clear()
        self.status.connected = False
        self._server.release()
        if self._open_runs is not None:
            self._open_runs.release()
            self._open_runs = None
        if self._chatter is not None:
            unhush(self._chatter)
            self._chatter = None

    async def _say_goodbye(self, patience: float) -> None:
        """End all flow runs and send the rest, for `patience` seconds in all; what is left then is cut."""
        deadline = asyncio.get_running_loop().time() + patience
        for lane in self._lanes.values():
            lane.close()
        for key in [*self._batches]:
            self.close_batch(key, Outcome(status=TaskStatus.CANCELLED, error="the orchestrator was stopped"))
        if self._opening is not None and not self._opening.done():
            await asyncio.wait({self._opening}, timeout=_until(deadline))
            self._opening.cancel()
        if self._host is not None:
            self._spawn(self._close_host(self._host, Outcome(status=TaskStatus.COMPLETED)))
        if self._background:
            await asyncio.wait(self._background, timeout=_until(deadline))
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, *(host.cut() for host in self._hosts), return_exceptions=True)
        self._hosts.clear()
        if self._connection is not None and not self._adopt:
            await send_rest(self._connection.context, _until(deadline))

    # runs

    @property
    def host_run_id(self) -> UUID | None:
        """The flow run that shows the tasks outside of batches now, if there is one."""
        return self._host.flow_run_id if self._host is not None else None

    def launch(self, label: Label, body: Body) -> asyncio.Task[Any]:
        """Start a task in the run that shows it."""
        record = self._batches.get(label.batch) if label.batch is not None else None
        kind = label.type if label.type in self._twins else TaskType.CUSTOM
        label = label if kind == label.type else Label(type=kind, name=label.name, key=label.key, batch=label.batch)
        lane = self._lane(kind)
        if record is not None:
            calm = lane.is_calm(asyncio.get_running_loop().time())
            return record.launch(label, body, self._context(), calm=calm)
        return lane.launch(label, body)

    def _lane(self, kind: str) -> Lane:
        lane = self._lanes.get(kind)
        if lane is None:
            settings = self._settings
            lane = self._lanes[kind] = Lane(
                kind,
                self._show,
                self._context,
                lambda: self.status.connected,
                rate=settings.own_run_rate,
                seconds=settings.carrier_seconds,
                limit=settings.carrier_tasks,
                note=self._note_run,
            )
        return lane

    def _note_run(self, key: int, slip: Slip) -> None:
        self._task_runs[key] = slip.run_id
        if len(self._task_runs) > TASK_RUNS_REMEMBERED:
            del self._task_runs[next(iter(self._task_runs))]

    def task_run_url(self, key: int) -> str | None:
        """Return the address at which the run of a task can be seen; the newest tasks of this process have one."""
        run_id = self._task_runs.get(key)
        return None if run_id is None else self._url_of("task-run", str(run_id))

    def _context(self) -> Context:
        if self._host is not None and self._host.context is not None:
            return self._host.context
        return self._connection.context if self._connection is not None else self._plain

    @property
    def backlog(self) -> int:
        """See the port: those of a host flow run, or a batch's, that does not exist yet."""
        return len(self._waiting) + len(self._openings)

    def _show(self, slip: Slip) -> None:
        host = self._host
        if host is None or not host.is_open:
            if len(self._waiting) < WAITING_SLIPS:
                self._waiting.append(slip)
            else:
                self.status.unrecorded += 1
            return
        host.show(slip)
        self.status.recorded += 1
        if host.shown >= self._settings.host_runs and not self._adopt:
            self._renew_host()

    def _renew_host(self) -> None:
        """Open a new host; the old one takes task runs until then, and ends after its last."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open_host(), name="vera-host")

    async def _open_host(self) -> None:
        connection = self._connection
        if connection is None:
            return
        host = Host(self._twins, host_flow, f"tasks of {self._settings.home.name}")
        try:
            await self._open(host, connection)
        except Exception as error:  # whatever Prefect's client raises; the tasks go on without
            self._away(error)
            return
        earlier, self._host = self._host, host
        waiting, self._waiting = self._waiting, []
        for slip in waiting:
            self._show(slip)
        if earlier is not None:
            self._spawn(self._close_host(earlier, Outcome(status=TaskStatus.COMPLETED)))

    async def _open(self, host: Host, connection: Connection) -> None:
        self._hosts.add(host)
        try:
            await host.open(connection.context)
        except Exception:
            self._hosts.discard(host)
            raise
        if self._open_runs is not None and host.flow_run_id is not None:
            self._open_runs.add(host.flow_run_id)

    async def _close_host(self, host: Host, outcome: Outcome) -> None:
        recorded = await host.close(outcome)
        self._hosts.discard(host)
        if recorded and self._open_runs is not None and host.flow_run_id is not None:
            self._open_runs.remove(host.flow_run_id)

    async def _end_left_open(self, connection: Connection) -> None:
        try:
            await asyncio.create_task(end_left_open(self._settings.home), context=connection.context.copy())
        except Exception as error:  # whatever Prefect's client raises; the next start or connection tries again
            logger.debug("flow runs of dead processes could not be ended: %r", error)

    async def _advise(self, connection: Connection) -> None:
        """Say once what a server of somebody's own lacks in safety; nothing waits for it."""
        self.status.advice = await asyncio.create_task(
            advice_for(connection.api_url), context=connection.context.copy()
        )
        if self.status.advice is not None:
            logger.warning("%s", self.status.advice)

    # batches

    def open_batch(self, plan: BatchPlan) -> None:
        """Start the flow run of a batch in the background."""
        if self._connection is None or not self.status.connected:
            self.status.unrecorded += 1
            return
        adopted = self._host if self._adopt else None
        host = adopted or Host(self._twins, self._batch_flow, plan.name, {"batch_id": plan.id})
        record = BatchRecord(
            plan, host, own_runs=self._settings.batch_own_runs, chunk_size=self._settings.carrier_tasks
        )
        self._batches[plan.key] = record
        if adopted is None:
            self._openings[plan.key] = self._spawn(self._open_batch(record, self._connection))
        else:
            self.on_shown_batch(plan.key, str(adopted.flow_run_id))

    async def _open_batch(self, record: BatchRecord, connection: Connection) -> None:
        try:
            await self._open(record.host, connection)
        except Exception as error:  # see _open_host
            self.status.unrecorded += record.abandon()
            self._batches.pop(record.plan.key, None)
            self._openings.pop(record.plan.key, None)
            self._away(error)
            return
        record.opened()
        self.status.recorded += 1
        self.on_shown_batch(record.plan.key, str(record.host.flow_run_id))

    def skip(self, label: Label, outcome: Outcome) -> None:
        """Show a task of a batch that was not started."""
        record = self._batches.get(label.batch) if label.batch is not None else None
        if record is not None:
            record.skip(label, outcome)

    def close_batch(self, key: int, outcome: Outcome) -> None:
        """End the flow run of a batch in the background, once it has begun."""
        record = self._batches.pop(key, None)
        if record is not None:
            self._spawn(self._close_batch(record, self._openings.pop(key, None), outcome))

    async def _close_batch(self, record: BatchRecord, opening: asyncio.Task[None] | None, outcome: Outcome) -> None:
        if opening is not None:
            await asyncio.wait({opening})
        await record.close(outcome)
        if not self._adopt:
            await self._close_host(record.host, outcome)

    # what is read from Prefect

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.prefect_limits_seconds)
            try:
                await self._look()
            except PrefectUnavailable as error:
                self._away(error)

    async def _look(self) -> None:
        if self._connection is None or not self.status.connected:
            await self._connect()
            return
        await call(self._connection, self._read_limits())
        await call(self._connection, self._read_cancelled())
        if self._host is None or not self._host.is_open:
            self._renew_host()

    async def _read_limits(self) -> None:
        limits = await read_limits(self._twins.keys())
        if limits != self.status.limits:
            self.status.limits = limits
            self.on_changed_limits()

    async def _read_cancelled(self) -> None:
        shown = {
            record.host.flow_run_id: record.plan.key
            for record in self._batches.values()
            if record.host.flow_run_id is not None
        }
        if shown:
            for flow_run_id in await read_cancelled([*shown]):
                self.on_cancelled_batch(shown[flow_run_id])

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _until(deadline: float) -> float:
    return max(HASTY_GOODBYE_SECONDS, deadline - asyncio.get_running_loop().time())


def untagged(task: PrefectTask[..., Any]) -> PrefectTask[..., Any]:
    """Return a twin of a task without its tags, which are added to its runs afterwards.

    For a tagged task Prefect asks its API for limits before each run, and would wait for an API that is away.
    """
    twin = task.with_options()
    twin.tags = set()
    return twin
