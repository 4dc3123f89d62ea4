"""The flow runs that hold the runs of single tasks."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.engine.conftest import Make
from tests.engine.recording import Records, eventually, has_ended, next_host, recorded, state_name
from tests.engine.server_users import ended
from tests.support import Gate, Scripted, run, soon, until
from vera_orchestrator.engine.open_runs import left_open
from vera_orchestrator.models import Task

DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.engine.recording import host_run, recorded
from tests.support import Gate, until
from vera_orchestrator.models import Task

async def die():
    gate = Gate()
    orchestrator = recorded(Path(sys.argv[1]), gate)
    await orchestrator.start()
    await orchestrator.submit_task(Task(id="orphan", max_retries=0))
    await gate.next()
    batch = await orchestrator.submit_batch([Task(max_retries=0)])
    await until(lambda: host_run(orchestrator) and orchestrator._parts.progress.batches.find(batch).batch.flow_run_id)
    print(host_run(orchestrator), orchestrator._parts.progress.batches.find(batch).batch.flow_run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(die())
"""


async def test_the_host_is_renewed_after_so_many_runs_and_the_old_one_completes(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted(), host_runs=3)
    hosts = [await next_host(orchestrator)]
    for _ in range(2):
        for _ in range(3):
            await run(orchestrator, Task())
        hosts.append(await next_host(orchestrator, after=hosts[-1]))
    for earlier in hosts[:-1]:
        shown = await records.ended_flow_run(earlier)
        assert state_name(shown) == "Completed"
        assert shown.name == "tasks of state"
        assert len(await records.ended_runs(earlier, 3)) == 3
    assert state_name(await records.flow_run(hosts[-1])) == "Running"


async def test_a_host_ends_only_after_its_last_task(make: Make, records: Records) -> None:
    gate = Gate()
    orchestrator = await make(gate, host_runs=1)
    first = await next_host(orchestrator)
    await orchestrator.submit_task(Task(id="long"))
    await gate.next()
    second = await next_host(orchestrator, after=first)
    assert state_name(await records.flow_run(first)) == "Running"
    gate.open()
    assert state_name(await records.ended_flow_run(first)) == "Completed"
    assert [state_name(one) for one in await records.ended_runs(first, 1)] == ["Completed"]
    assert state_name(await records.flow_run(second)) == "Running"


async def test_stop_completes_the_host(state: Path, records: Records) -> None:
    orchestrator = recorded(state, Scripted())
    await soon(orchestrator.start())
    await run(orchestrator, Task())
    host = await next_host(orchestrator)
    await soon(orchestrator.stop())
    assert state_name(await records.flow_run(host)) == "Completed"
    assert not list((state / "runs").iterdir())


async def test_a_task_that_stop_interrupts_is_not_shown_as_running_for_ever(state: Path, records: Records) -> None:
    gate = Gate()
    orchestrator = recorded(state, gate)
    await soon(orchestrator.start())
    await orchestrator.submit_task(Task(id="interrupted"))
    await gate.next()
    await soon(orchestrator.stop())
    assert state_name(await records.ended_run("custom interrupted")) == "Cancelled"


async def test_the_flow_runs_of_a_killed_process_are_shown_as_crashed_at_the_next_start(
    state: Path, make: Make, records: Records
) -> None:
    code, output, errors = await ended(DIES, str(state))
    assert code == -signal.SIGKILL, errors
    left = output.split()
    assert sorted(str(one) for one in next(iter(left_open(state).values()))) == sorted(left)
    await make()
    for flow_run_id in left:
        crashed = await eventually(lambda flow_run_id=flow_run_id: records.flow_run(flow_run_id), has_ended)
        assert state_name(crashed) == "Crashed"
        assert crashed.end_time is not None  # so that its age counts for retention
    await until(lambda: not left_open(state))


async def test_the_flow_runs_of_a_living_process_are_left_alone(make: Make, records: Records) -> None:
    first = await make(Scripted())
    host = await next_host(first)
    second = await make(Scripted())
    await next_host(second)
    assert state_name(await records.flow_run(host)) == "Running"


async def test_the_programs_own_handler_for_sigterm_stays(make: Make) -> None:
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, got.set)
    try:
        orchestrator = await make(Scripted(), host_runs=1)
        host = None
        for _ in range(2):
            host = await next_host(orchestrator, after=host)
            got.clear()
            os.kill(os.getpid(), signal.SIGTERM)
            await soon(got.wait())
            await run(orchestrator, Task())
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_a_handler_that_came_after_the_start_stays_after_the_stop(state: Path) -> None:
    orchestrator = recorded(state, Scripted())
    await soon(orchestrator.start())
    await next_host(orchestrator)
    before = signal.signal(signal.SIGTERM, _handle)
    try:
        await soon(orchestrator.stop())
        assert signal.getsignal(signal.SIGTERM) is _handle
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_flows_of_the_process_still_answer_sigterm() -> None:
    import prefect.flow_engine
    from prefect.utilities.engine import is_prefect_sigterm_handler_installed

    from vera_orchestrator.engine import seams

    seams.install()
    with prefect.flow_engine.capture_sigterm():  # pyright: ignore[reportPrivateImportUsage]
        assert is_prefect_sigterm_handler_installed()
    seams.leaves_signals_alone.set(True)
    try:
        with prefect.flow_engine.capture_sigterm():  # pyright: ignore[reportPrivateImportUsage]
            assert not is_prefect_sigterm_handler_installed()
    finally:
        seams.leaves_signals_alone.set(False)


def _handle(*_: object) -> None:
    """Stand for a program's own handler."""
