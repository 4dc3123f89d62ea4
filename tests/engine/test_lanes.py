"""How tasks outside of batches are shown."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from prefect import get_run_logger
from prefect.client.schemas.filters import LogFilter, LogFilterTaskRunId
from prefect.client.schemas.objects import Log, TaskRun

from tests.engine.conftest import Make
from tests.engine.recording import PATIENCE, Records, eventually, has_ended, host_run, state_name
from tests.support import Failing, Gate, Scripted, echo, run, soon, until
from vera_orchestrator.engine import lanes
from vera_orchestrator.models import Task, TaskResult

MANY = 300


async def test_each_of_a_few_tasks_has_a_run_of_its_own_with_a_readable_name(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted())
    await run(orchestrator, Task(id="lonely", metadata={"name": "sum up the week"}))
    await run(orchestrator, Task(id="nameless"))
    named = await records.ended_run("sum up the week")
    assert state_name(named) == "Completed"
    assert named.tags == ["type:custom"]
    assert named.flow_run_id == host_run(orchestrator)
    assert state_name(await records.ended_run("custom nameless")) == "Completed"


async def test_a_failed_task_is_shown_as_failed_with_its_error(make: Make, records: Records) -> None:
    orchestrator = await make(Failing())
    await run(orchestrator, Task(id="unlucky", max_retries=0))
    shown = await records.ended_run("custom unlucky")
    assert state_name(shown) == "Failed"
    assert shown.state is not None and "boom in unlucky" in (shown.state.message or "")


async def test_a_cancelled_task_is_shown_as_cancelled(make: Make, records: Records) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_task(Task(id="unwanted"))
    await gate.next()
    await orchestrator.cancel_task("unwanted")
    assert state_name(await records.ended_run("custom unwanted")) == "Cancelled"


async def test_each_attempt_is_a_run(make: Make, records: Records) -> None:
    orchestrator = await make(Failing(times=1))
    result = await run(orchestrator, Task(id="stubborn", retry_delay_seconds=0.01))
    assert result.success
    await until(lambda: host_run(orchestrator) is not None)  # it opens beside the tasks
    host = host_run(orchestrator)
    assert host is not None
    runs = await records.ended_runs(host, 2)
    assert [(one.name, state_name(one)) for one in runs] == [
        ("custom stubborn", "Failed"),
        ("custom stubborn", "Completed"),
    ]


async def test_what_a_worker_logs_belongs_to_the_run_of_its_task(
    make: Make, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "CONTEXT_SECONDS", PATIENCE)  # on a busy machine a task would start without its run
    alice, bob = f"alice {uuid4()}", f"bob {uuid4()}"

    async def talk(task: Task) -> TaskResult:
        get_run_logger().warning("this is %s", task.id)
        return await echo(task)

    orchestrator = await make(Scripted(talk))
    await asyncio.gather(*(run(orchestrator, Task(id=name)) for name in (alice, bob)))

    async def logs(name: str) -> list[Log]:
        shown = await records.ended_run(f"custom {name}")
        async with records.client() as client:
            return await client.read_logs(LogFilter(task_run_id=LogFilterTaskRunId(any_=[shown.id])))

    for name in (alice, bob):
        said = await eventually(lambda name=name: logs(name), bool)
        assert [log.message for log in said] == [f"this is {name}"]


async def test_many_tasks_share_a_few_runs_and_all_are_counted(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted(), own_run_rate=10)
    await asyncio.gather(*(run(orchestrator, Task()) for _ in range(MANY)))
    await until(lambda: host_run(orchestrator) is not None)  # it opens beside the tasks
    host = host_run(orchestrator)
    assert host is not None
    runs = await eventually(
        lambda: records.all_task_runs(host), lambda runs: _counted(runs) == MANY and all(map(has_ended, runs))
    )
    assert len(runs) < MANY / 4
    assert {state_name(one) for one in runs} == {"Completed"}


async def test_a_failed_task_among_many_has_a_run_of_its_own_too(make: Make, records: Records) -> None:
    async def fail_sometimes(task: Task) -> TaskResult:
        if task.id == "black-sheep":
            raise RuntimeError("baa")
        return await echo(task)

    orchestrator = await make(Scripted(fail_sometimes), own_run_rate=1)
    tasks = [Task(max_retries=0) for _ in range(20)] + [Task(id="black-sheep", max_retries=0)]
    await asyncio.gather(*(run(orchestrator, task) for task in tasks))
    shown = await records.ended_run("custom black-sheep")
    assert state_name(shown) == "Failed"
    assert shown.state is not None and "baa" in (shown.state.message or "")
    assert shown.flow_run_id is not None
    runs = await eventually(
        lambda: records.all_task_runs(str(shown.flow_run_id)), lambda runs: any(_failed_in(one.name) for one in runs)
    )
    assert len(runs) < len(tasks) / 2


async def test_failures_have_runs_of_their_own_at_a_bounded_rate(make: Make, records: Records) -> None:
    rate = 5
    orchestrator = await make(Failing(), own_run_rate=rate, breaker_failures=10_000)
    await asyncio.gather(*(run(orchestrator, Task(max_retries=0)) for _ in range(MANY)))
    await until(lambda: host_run(orchestrator) is not None)  # it opens beside the tasks
    host = host_run(orchestrator)
    assert host is not None
    runs = await eventually(
        lambda: records.all_task_runs(host),
        lambda runs: sum(_failed_in(one.name) for one in runs) >= MANY - rate and len(_failed(runs)) > rate,
    )
    assert len(_failed(runs)) < MANY / 4
    assert all("boom" in str(one.state and one.state.message) for one in _failed(runs))


async def test_no_task_waits_for_its_carrier(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate, own_run_rate=0)
    ids = [await orchestrator.submit_task(Task()) for _ in range(50)]
    assert sorted([await gate.next() for _ in ids]) == sorted(str(one) for one in ids)
    gate.open()
    results = await asyncio.gather(*(soon(orchestrator.wait_for(str(one))) for one in ids))
    assert all(result.success for result in results)
    assert orchestrator.engine.status.unrecorded == 0


async def test_the_status_counts_runs_not_tasks(make: Make) -> None:
    orchestrator = await make(Scripted(), own_run_rate=0)
    await asyncio.gather(*(run(orchestrator, Task()) for _ in range(100)))
    status = orchestrator.engine.status
    await until(lambda: status.recorded)
    assert status.connected
    assert 1 <= status.recorded < 20
    assert status.unrecorded == 0


def _counted(runs: list[TaskRun]) -> int:
    """Return how many tasks ended runs stand for: "7 of custom" is seven, any other name is one."""
    return sum(_size(one.name) for one in runs)


def _size(name: str) -> int:
    count, of, _ = name.partition(" of ")
    return int(count.replace(",", "")) if of else int(name != "custom")


def _failed(runs: list[TaskRun]) -> list[TaskRun]:
    return [one for one in runs if state_name(one) == "Failed"]


def _failed_in(name: str) -> int:
    _, comma, failed = name.partition(", ")
    return int(failed.split()[0]) if comma else 0
