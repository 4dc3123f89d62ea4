"""Which server is used, what it costs to be without one, and what a user sees of Prefect on the console."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import prefect.settings
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import get_current_settings, temporary_settings

from tests.engine.conftest import Make, RunningServer
from tests.engine.recording import Records, client_settings, next_host, recorded
from tests.engine.server_users import ended
from tests.support import Scripted, run, soon
from vera_orchestrator.models import Task

PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.engine.recording import next_host, recorded
from tests.support import Scripted, echo, run
from vera_orchestrator.models import Task

async def sometimes(task):
    if task.payload.get("fail"):
        raise RuntimeError("the work itself failed")
    return await echo(task)

async def main():
    orchestrator = recorded(Path(sys.argv[1]), Scripted(sometimes), host_runs=10)
    async with orchestrator:
        await next_host(orchestrator)
        for number in range(15):
            await run(orchestrator, Task(max_retries=0, payload={"fail": number % 3 == 0}))
        tasks = [Task(id=f"t{number}", max_retries=0, payload={"fail": number == 2}) for number in range(5)]
        tasks.append(Task(id="after", depends_on=["t2"]))
        await orchestrator.submit_batch(tasks, wait=True)
        await orchestrator.submit_batch([Task(max_retries=0, payload={"fail": True}) for _ in range(300)], wait=True)
    print("done")

asyncio.run(main())
"""


async def test_the_server_that_prefect_is_set_to_is_used_as_it_is(
    running_server: RunningServer, records: Records, tmp_path: Path
) -> None:
    with client_settings(running_server.address):
        orchestrator = recorded(tmp_path / "elsewhere", Scripted(), prefect="auto")
        await soon(orchestrator.start())
        host = await next_host(orchestrator)
        await run(orchestrator, Task(id="guest"))
        details = await orchestrator.get_task_details("guest")
        assert details is not None
        url = orchestrator.engine.task_run_url(details.key)
        await soon(orchestrator.stop())
    assert orchestrator.engine.status.api_url == running_server.address.api_url
    assert not (tmp_path / "elsewhere" / "prefect" / "prefect.db").exists()
    shown = await records.ended_run("custom guest")
    assert shown.flow_run_id == host
    assert url == f"{running_server.address.ui_url}/v2/runs/task-run/{shown.id}"


async def test_with_a_server_that_cannot_be_reached_tasks_run_all_the_same(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody listens there
        nowhere = f"http://127.0.0.1:{reserved.getsockname()[1]}/api"
        with temporary_settings(updates={prefect.settings.PREFECT_API_URL: nowhere}):
            orchestrator = recorded(tmp_path / "alone", Scripted(), prefect="auto")
            await soon(orchestrator.start())
            results = await asyncio.gather(*(run(orchestrator, Task()) for _ in range(100)))
            await soon(orchestrator.submit_batch([Task(), Task()], wait=True))
            status = orchestrator.get_status()["prefect"]
            await soon(orchestrator.stop())
    assert all(result.success for result in results)
    assert status["connected"] is False
    assert status["api_url"] == nowhere
    assert "connection attempts failed" in status["reason"]
    assert status["recorded_runs"] == 0
    assert status["unrecorded_runs"] >= 1


async def test_the_programs_settings_stay_as_they_are(make: Make) -> None:
    before = get_current_settings().api.url
    await make(Scripted())
    assert get_current_settings().api.url == before


async def test_an_orchestrator_can_be_stopped_and_started_again(state: Path, records: Records) -> None:
    orchestrator = recorded(state, Scripted())
    for name in ("first", "second"):
        await soon(orchestrator.start())
        await next_host(orchestrator)
        await run(orchestrator, Task(id=name))
        await soon(orchestrator.stop())
        await records.ended_run(f"custom {name}")
        assert orchestrator.engine.status.connected is False


async def test_a_hosts_parameters_hold_nothing_of_its_tasks(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted())
    host = await next_host(orchestrator)
    await run(orchestrator, Task(id="discreet", payload={"data": "hush-hush"}))
    shown = await records.ended_run("custom discreet")
    async with records.client() as client:
        (flow_run,) = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[host])))
    assert "hush-hush" not in flow_run.model_dump_json() + shown.model_dump_json()


async def test_a_normal_run_with_failures_says_nothing_of_prefects_on_the_console(state: Path) -> None:
    code, output, errors = await ended(PROGRAM, str(state))
    assert (code, errors) == (0, "")
    assert output == "done\n"
