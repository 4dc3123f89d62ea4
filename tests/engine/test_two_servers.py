"""Orchestrators, and flows of the program around them, that record in different servers."""

from __future__ import annotations

from pathlib import Path

import prefect
from prefect import flow
from prefect.events.worker import EventsWorker

from tests.engine.conftest import Make, RunningServer
from tests.engine.recording import Records, client_settings, next_host, recorded, state_name
from tests.support import Scripted, run, soon
from vera_orchestrator.models import Task


async def test_two_orchestrators_with_two_servers_each_record_in_their_own(
    other_server: RunningServer, make: Make, records: Records
) -> None:
    other_records = Records(other_server.address)
    here = await make(Scripted())
    there = recorded(other_server.home, Scripted(), database_url="memory://")
    await soon(there.start())
    try:
        for orchestrator in (here, there):
            await next_host(orchestrator)
        for number in range(3):
            await run(here, Task(id=f"here-{number}"))
            await run(there, Task(id=f"there-{number}"))
        for number in range(3):
            assert state_name(await records.ended_run(f"custom here-{number}")) == "Completed"
            assert state_name(await other_records.ended_run(f"custom there-{number}")) == "Completed"
            assert await records.task_run(f"custom there-{number}") is None
            assert await other_records.task_run(f"custom here-{number}") is None
        await soon(there.stop())
        await run(here, Task(id="still-here"))
        await records.ended_run("custom still-here")
    finally:
        await soon(there.stop())


async def test_the_programs_own_flows_go_to_the_programs_own_server(
    other_server: RunningServer, make: Make, records: Records, tmp_path: Path
) -> None:
    own = Records(other_server.address)
    drained = EventsWorker.drain_all(timeout=5, at_exit=False)  # that of an earlier test knows only that test's server
    assert not isinstance(drained, tuple)
    await drained
    await make(Scripted())

    @prefect.task(name="own-task", task_run_name="own task")
    async def own_task() -> None:
        pass

    @flow(name="own-flow", result_storage=tmp_path)
    async def own_flow() -> None:
        await own_task()

    with client_settings(own.address):
        await own_flow()
    assert state_name(await own.ended_run("own task")) == "Completed"
    assert await records.task_run("own task") is None
