"""A Prefect server that answers nothing, dies, or is gone, while tasks run."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import get_run_logger
from prefect.client.schemas.objects import TaskRun

from tests.engine.conftest import RunningServer
from tests.engine.recording import Records, eventually, has_ended, next_host, recorded, state_name
from tests.engine.server_users import Watch, ended, state_of, stopped
from tests.support import Gate, Scripted, echo, run, soon, until
from vera_orchestrator.engine import connection, events
from vera_orchestrator.engine.events import ServerEvents
from vera_orchestrator.engine.lanes import CONTEXT_SECONDS
from vera_orchestrator.engine.server_folder import ServerState
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator

MANY = 200
GENEROUS = 10.0
"""Seconds that nothing here should take, on a slow machine, unless it waits for the server."""

STOPS = """
import asyncio, os, signal, sys, time
from pathlib import Path
from prefect import get_run_logger
from tests.engine.recording import next_host, recorded
from tests.engine.server_users import state_of
from tests.support import Scripted, echo, run
from vera_orchestrator.engine import connection
from vera_orchestrator.models import Task

connection.CALL_SECONDS = 1.0

async def talk(task):
    get_run_logger().warning("a word to nobody")
    return await echo(task)

async def main():
    home = Path(sys.argv[1])
    orchestrator = recorded(home, Scripted(talk))
    await orchestrator.start()
    await next_host(orchestrator)
    await run(orchestrator, Task())
    os.kill(state_of(home).server_pid, signal.SIGSTOP)
    for _ in range(30):
        await run(orchestrator, Task())
    await orchestrator.submit_batch([Task(), Task()], wait=True)
    await orchestrator.stop()

asyncio.run(main())
print(time.time(), flush=True)
"""


@pytest.fixture
def frail(other_server: RunningServer) -> tuple[Path, Records]:
    """A state folder whose server may be harmed, and what that server knows."""
    return other_server.home, Records(other_server.address)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be found out sooner that the server is away."""
    monkeypatch.setattr(connection, "CALL_SECONDS", 1.0)


@pytest.fixture
async def orchestrator(frail: tuple[Path, Records]) -> AsyncIterator[Orchestrator]:
    one = recorded(frail[0], Scripted(), database_url="memory://")
    await soon(one.start())
    await next_host(one)
    yield one
    await soon(one.stop())


@pytest.fixture
def records(frail: tuple[Path, Records]) -> Records:
    return frail[1]


async def connected(orchestrator: Orchestrator, expected: bool) -> None:
    """Wait until an orchestrator has found out that its server answers, or does not."""

    async def read() -> bool:
        return orchestrator.engine.status.connected

    await eventually(read, lambda value: value is expected)


async def longest(orchestrator: Orchestrator, count: int) -> float:
    """Run tasks one after the other and return the seconds that the slowest took from its submission on."""
    slowest = 0.0
    for _ in range(count):
        began = time.perf_counter()
        assert (await run(orchestrator, Task())).success
        slowest = max(slowest, time.perf_counter() - began)
    return slowest


def harm(home: Path, how: str) -> None:
    server = state_of(home)
    assert server.server_pid is not None and server.supervisor_pid is not None
    watch = Watch(server.server_pid)
    if how == "gone":
        os.kill(server.supervisor_pid, signal.SIGKILL)
    os.kill(server.server_pid, signal.SIGKILL)
    assert watch.has_ended(within=GENEROUS)


@pytest.mark.parametrize("how", ["silent", "killed", "gone"])
async def test_no_task_waits_for_a_server_that_is_away(
    how: str, orchestrator: Orchestrator, frail: tuple[Path, Records], records: Records
) -> None:
    home, _ = frail
    assert await longest(orchestrator, MANY // 2) < GENEROUS
    if how == "silent":
        with stopped(home):
            batch = await soon(orchestrator.submit_batch([Task() for _ in range(20)], wait=True))
            slowest = await longest(orchestrator, MANY // 2)
            await connected(orchestrator, False)
            assert "no answer" in str(orchestrator.engine.status.reason)
    else:
        before = state_of(home)
        harm(home, how)
        batch = await soon(orchestrator.submit_batch([Task() for _ in range(20)], wait=True))
        slowest = await longest(orchestrator, MANY // 2)
        await eventually(lambda: _state(home), lambda state: state.server_pid not in (None, before.server_pid))
    assert slowest < CONTEXT_SECONDS + 2.0
    assert isinstance(batch, list) and all(result.success for result in batch)
    await connected(orchestrator, True)
    assert orchestrator.engine.status.reason is None
    back = datetime.now(UTC)
    host = await next_host(orchestrator)

    async def run_more() -> list[TaskRun]:
        await run(orchestrator, Task())
        return await records.all_task_runs(host)

    await eventually(
        run_more, lambda runs: any(has_ended(one) and one.start_time and one.start_time > back for one in runs)
    )


async def test_batches_that_cannot_be_shown_are_counted(
    orchestrator: Orchestrator, frail: tuple[Path, Records]
) -> None:
    with stopped(frail[0]):
        await connected(orchestrator, False)
        before = orchestrator.engine.status.unrecorded
        for _ in range(3):
            await soon(orchestrator.submit_batch([Task(), Task()], wait=True))
        assert orchestrator.engine.status.unrecorded == before + 3
    await connected(orchestrator, True)


async def test_stop_takes_no_long_while_the_server_is_silent(frail: tuple[Path, Records]) -> None:
    gate = Gate()
    one = recorded(frail[0], gate, database_url="memory://")
    await soon(one.start())
    await next_host(one)
    await one.submit_task(Task())
    await gate.next()
    with stopped(frail[0]):
        await soon(one.submit_batch([Task(), Task()]))
        began = time.perf_counter()
        await soon(one.stop())
        assert time.perf_counter() - began < 2 * GENEROUS
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vera-")]


async def test_a_process_ends_soon_after_stop_while_the_server_is_silent(frail: tuple[Path, Records]) -> None:
    home, _ = frail
    try:
        code, output, errors = await ended(STOPS, str(home))
        assert code == 0, errors
        assert time.time() - float(output) < GENEROUS
        assert "Still processing" not in errors
    finally:
        server = state_of(home).server_pid
        assert server is not None
        os.kill(server, signal.SIGCONT)


async def test_what_a_full_queue_cannot_take_is_counted_and_holds_up_nobody(
    orchestrator: Orchestrator, frail: tuple[Path, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENT_QUEUE_SIZE", 20)
    status = orchestrator.engine.status
    with stopped(frail[0]):
        await connected(orchestrator, False)
        before = status.unrecorded
        while status.unrecorded < before + 10:
            assert await longest(orchestrator, 10) < CONTEXT_SECONDS + 2.0
        assert _queue_length() <= 20
    await connected(orchestrator, True)


async def test_logs_are_not_kept_for_a_server_that_is_away(frail: tuple[Path, Records], records: Records) -> None:
    async def talk(task: Task) -> TaskResult:
        get_run_logger().warning("a word from %s", task.id)
        return await echo(task)

    one = recorded(frail[0], Scripted(talk), database_url="memory://")
    await soon(one.start())
    await next_host(one)
    try:
        with stopped(frail[0]):
            await connected(one, False)
            assert await longest(one, 5) < CONTEXT_SECONDS + 2.0
        await connected(one, True)
        await run(one, Task(id="heard"))
        shown = await records.ended_run("custom heard")
        assert state_name(shown) == "Completed"

        async def said() -> list[str]:
            async with records.client() as client:
                return [log.message for log in await client.read_logs() if log.flow_run_id == shown.flow_run_id]

        assert await eventually(said, bool) == ["a word from heard"]
    finally:
        await soon(one.stop())


async def test_starting_and_stopping_leaves_no_threads_behind(frail: tuple[Path, Records]) -> None:
    before = _threads()
    for _ in range(3):
        one = recorded(frail[0], Scripted(), database_url="memory://")
        await soon(one.start())
        await next_host(one)
        await run(one, Task())
        await soon(one.stop())
    await until(lambda: _threads() <= before)


def _threads() -> int:
    return sum(thread.name in ("ServerEventsThread", "APILogWorkerThread") for thread in threading.enumerate())


async def _state(home: Path) -> ServerState:
    return state_of(home)


def _queue_length() -> int:
    services = list(ServerEvents._instances.values())  # pyright: ignore[reportPrivateUsage]
    return max(one._queue.qsize() for one in services)  # pyright: ignore[reportPrivateUsage]
