"""What became of flow runs, batches and tasks, from Prefect's API and from the journal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun, TaskRunResult

from tests.flows.station import Station
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.runtime.codec import decode_result


def state_of(station: Station, flow_run_id: UUID) -> tuple[str, str]:
    """Return the name and the state of a flow run."""

    async def read(client: PrefectClient) -> tuple[str, str]:
        run = await client.read_flow_run(flow_run_id)
        return run.name, run.state_name or ""

    return station.ask(read)


def task_runs(station: Station, flow_run_id: UUID) -> dict[str, TaskRun]:
    """Return the task runs of a flow run by name."""

    async def read(client: PrefectClient) -> list[TaskRun]:
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
        return await client.read_task_runs(flow_run_filter=chosen)

    return {run.name: run for run in station.ask(read)}


def upstream_of(run: TaskRun) -> list[UUID]:
    """Return the task runs that a task run has edges to."""
    return [one.id for one in run.task_inputs["after"] if isinstance(one, TaskRunResult)]


def result_of(station: Station, task_id: str) -> Any:
    row = station.look_up(lambda journal: journal.task(task_id))
    assert row is not None
    result = decode_result(row.result)
    assert result is not None
    return result.data


def statuses(station: Station, batch_id: str) -> dict[str, str]:
    async def read(journal: Journal) -> dict[str, str]:
        batch = await journal.batch(batch_id)
        assert batch is not None
        return {row.id: row.status.value for row in await journal.batch_tasks(batch.key)}

    return station.look_up(read)
