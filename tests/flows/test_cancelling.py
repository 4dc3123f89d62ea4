"""Cancelling the flow run that shows a batch, in Prefect, while an orchestrator in this process runs the batch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.states import Cancelled, Cancelling

from flows.run_batch import run_batch
from tasks import TASKS
from tests.flows.station import Station
from tests.support import Gate, settings, soon
from vera_orchestrator.compose import PrefectParts, compose, standard_tools
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator


def orchestrator(home: Path, gate: Gate) -> Orchestrator:
    """Return an orchestrator that shows its batches on the server of the current Prefect settings."""
    config = settings(home, prefect="auto", prefect_limits_seconds=0.1)
    made = Orchestrator(compose(config, standard_tools(), PrefectParts(tasks=TASKS, batch_flow=run_batch)))
    made.worker_registry.add(gate)
    return made


@pytest.mark.parametrize("state", [Cancelling(), Cancelled()], ids=["cancelling", "cancelled"])
async def test_cancelling_the_flow_run_cancels_the_batch(station: Station, tmp_path: Path, state: State[None]) -> None:
    gate = Gate(slots=1)
    with station.settings():
        running = orchestrator(tmp_path / "vera", gate)
        async with running, get_client() as client:
            shown: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
            note = running.engine.on_shown_batch

            def on_shown_batch(key: int, flow_run_id: str) -> None:
                note(key, flow_run_id)
                shown.set_result(UUID(flow_run_id))

            running.engine.on_shown_batch = on_shown_batch
            batch_id = await running.submit_batch([Task(id="runs"), Task(id="waits")])
            assert isinstance(batch_id, str)
            await gate.next()
            flow_run_id = await soon(shown)
            await client.set_flow_run_state(flow_run_id, state, force=True)

            results = await soon(running.wait_for_batch(batch_id))

            assert [result.error for result in results] == ["its flow run was cancelled in Prefect"] * 2
            ended = await running.get_batch(batch_id)
            assert ended is not None
            assert [task.status for task in ended.tasks] == [TaskStatus.CANCELLED] * 2
        async with get_client() as client:
            flow_run = await client.read_flow_run(flow_run_id)
        assert flow_run.state_name == "Cancelled"
