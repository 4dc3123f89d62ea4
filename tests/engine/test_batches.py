"""How batches are shown."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import TaskRun, TaskRunResult
from prefect.states import Cancelling

from tests.engine.conftest import Make
from tests.engine.recording import Records, shown_batches, state_name
from tests.support import Failing, Gate, Scripted, echo, soon
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator


async def shown(orchestrator: Orchestrator, tasks: list[Task], **options: Any) -> str:
    """Run a batch and return the id of its flow run."""
    begun = shown_batches(orchestrator)
    await soon(orchestrator.submit_batch(tasks, wait=True, **options))
    return await soon(begun.get())


def upstream(run: TaskRun) -> set[str]:
    """Return the ids of the runs that a run has edges to."""
    return {str(one.id) for inputs in run.task_inputs.values() for one in inputs if isinstance(one, TaskRunResult)}


async def test_each_task_of_a_batch_has_a_run_with_its_edges(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted())
    diamond = [
        Task(id="top"),
        Task(id="left", depends_on=["top"]),
        Task(id="right", depends_on=["top"]),
        Task(id="bottom", depends_on=["left", "right"]),
    ]
    flow_run = await records.ended_flow_run(await shown(orchestrator, diamond, name="diamond", batch_id="b-1"))
    assert state_name(flow_run) == "Completed"
    assert flow_run.name == "diamond"
    assert flow_run.parameters["batch_id"] == "b-1"  # started again in Prefect, it goes on with this batch
    runs = {run.name.removeprefix("custom "): run for run in await records.ended_runs(flow_run.id, 4)}
    ids = {name: str(run.id) for name, run in runs.items()}
    assert {name: upstream(run) for name, run in runs.items()} == {
        "top": set(),
        "left": {ids["top"]},
        "right": {ids["top"]},
        "bottom": {ids["left"], ids["right"]},
    }
    batch = await orchestrator.get_batch("b-1")
    assert batch is not None and batch.flow_run_id == str(flow_run.id)


async def test_a_batch_without_a_name_is_called_by_its_id(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted())
    flow_run = await records.ended_flow_run(await shown(orchestrator, [Task()], batch_id="b-2"))
    assert flow_run.name == "b-2"


async def test_after_a_failure_dependents_are_shown_as_cancelled_and_the_flow_run_as_failed(
    make: Make, records: Records
) -> None:
    orchestrator = await make(Failing())
    tasks = [
        Task(id="broken", max_retries=0),
        Task(id="next", depends_on=["broken"]),
        Task(id="last", depends_on=["next"]),
    ]
    flow_run = await records.ended_flow_run(await shown(orchestrator, tasks))
    assert state_name(flow_run) == "Failed"
    assert flow_run.state is not None and flow_run.state.message == "1 of 3 tasks failed"
    runs = await records.ended_runs(flow_run.id, 3)
    assert {run.name: state_name(run) for run in runs} == {
        "custom broken": "Failed",
        "custom next": "Cancelled",
        "custom last": "Cancelled",
    }


async def test_a_large_batch_is_shown_in_chunks_of_each_level_with_edges(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted(), batch_own_runs=10, carrier_tasks=20)
    first = [Task(id=f"first-{number}") for number in range(50)]
    second = [Task(id=f"second-{number}", depends_on=[f"first-{number}"]) for number in range(50)]
    flow_run_id = await shown(orchestrator, first + second)
    runs = await records.ended_runs(flow_run_id, 6)
    assert sorted(run.name for run in runs) == [
        "level 1: 10 of custom",
        "level 1: 20 of custom",
        "level 1: 20 of custom",
        "level 2: 10 of custom",
        "level 2: 20 of custom",
        "level 2: 20 of custom",
    ]
    above = {str(run.id) for run in runs if run.name.startswith("level 1")}
    for run in runs:
        assert (upstream(run) <= above and upstream(run)) if run.name.startswith("level 2") else not upstream(run)
    assert {state_name(run) for run in runs} == {"Completed"}


async def test_failures_of_a_large_batch_have_runs_of_their_own_too(make: Make, records: Records) -> None:
    async def fail_one(task: Task) -> TaskResult:
        if task.id == "item-29":
            raise RuntimeError("rotten")
        return await echo(task)

    orchestrator = await make(Scripted(fail_one), batch_own_runs=10)
    tasks = [Task(id=f"item-{number}", max_retries=0) for number in range(30)]
    flow_run = await records.ended_flow_run(await shown(orchestrator, tasks))
    assert state_name(flow_run) == "Failed"
    runs = {run.name: run for run in await records.ended_runs(flow_run.id, 2)}
    assert set(runs) == {"level 1: 30 of custom, 1 not completed", "custom item-29"}
    state = runs["custom item-29"].state
    assert state is not None and state.name == "Failed" and "rotten" in (state.message or "")


async def test_a_slow_hook_hides_no_failure(make: Make, records: Records) -> None:
    async def fail(task: Task) -> TaskResult:
        return TaskResult(success=False, error="rotten", retryable=False)

    orchestrator = await make(Scripted(fail), batch_own_runs=0)
    hooked = asyncio.Event()

    async def hook(task: Task, error: object) -> None:
        await hooked.wait()

    orchestrator.on_task_failed = hook
    flow_run_id = await shown(orchestrator, [Task(id="slowly-mourned")])
    hooked.set()
    runs = {run.name for run in await records.ended_runs(flow_run_id, 2)}
    assert runs == {"level 1: 1 of custom, 1 not completed", "custom slowly-mourned"}


async def test_a_cancelled_batch_is_shown_as_cancelled(make: Make, records: Records) -> None:
    orchestrator = await make(Gate())
    begun = shown_batches(orchestrator)
    batch = await soon(orchestrator.submit_batch([Task(id="a"), Task(id="b", depends_on=["a"])]))
    flow_run_id = await soon(begun.get())
    await orchestrator.cancel_batch(str(batch))
    assert state_name(await records.ended_flow_run(flow_run_id)) == "Cancelled"
    assert {state_name(run) for run in await records.ended_runs(flow_run_id, 2)} == {"Cancelled"}


async def test_a_flow_run_that_is_cancelled_in_prefect_cancels_its_batch(make: Make, records: Records) -> None:
    orchestrator = await make(Gate())
    begun = shown_batches(orchestrator)
    batch = str(await soon(orchestrator.submit_batch([Task(), Task()])))
    flow_run_id = await soon(begun.get())
    async with records.client() as client:
        await client.set_flow_run_state(UUID(flow_run_id), Cancelling())
    results = await soon(orchestrator.wait_for_batch(batch))
    assert [result.success for result in results] == [False, False]
    assert state_name(await records.ended_flow_run(flow_run_id)) == "Cancelled"


async def test_many_short_batches_are_all_shown_completely(make: Make, records: Records) -> None:
    orchestrator = await make(Scripted())
    begun = shown_batches(orchestrator)
    for _ in range(4):  # each ends long before its flow run exists
        await soon(orchestrator.submit_batch([Task(), Task()], wait=True))
    for _ in range(4):
        flow_run_id = await soon(begun.get())
        assert state_name(await records.ended_flow_run(flow_run_id)) == "Completed"
        assert [state_name(run) for run in await records.ended_runs(flow_run_id, 2)] == ["Completed"] * 2
