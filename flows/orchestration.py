"""An orchestrator inside a flow run: it claims only its own task or batch, and shows it in that flow run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prefect import Flow, get_run_logger
from prefect.context import FlowRunContext

from blocks.orchestrator import BlockOrchestrator
from flows.scope import OwnRows
from tasks import TASKS
from vera_orchestrator.compose import PrefectParts, compose, standard_tools
from vera_orchestrator.errors import TaskFailed
from vera_orchestrator.models import TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.task_json import task_from_json
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker


@dataclass(frozen=True, kw_only=True)
class CurrentRun:
    """The flow run that the caller is in; `is_again`: it was started before, and Prefect starts it again."""

    id: str
    name: str
    is_again: bool
    parameters: Mapping[str, Any]


def current_run() -> CurrentRun:
    """Return the flow run that the caller is in."""
    context = FlowRunContext.get()
    assert context is not None and context.flow_run is not None, "only a flow calls this"
    run = context.flow_run
    return CurrentRun(id=str(run.id), name=run.name, is_again=run.run_count > 1, parameters=run.parameters)


@asynccontextmanager
async def flow_orchestrator(own: Flow[..., Any], rows: OwnRows) -> AsyncGenerator[Orchestrator]:
    """Start an orchestrator on the settings and keys of the environment and Prefect's blocks, and stop it afterwards.

    Of tasks that nobody owns it claims only `rows`.
    """
    prefect = PrefectParts(tasks=TASKS, batch_flow=own, adopt=True)
    config = OrchestratorConfig()
    orchestrator = BlockOrchestrator(compose(config, standard_tools(), prefect, scope=rows))
    orchestrator.worker_registry.add(ParallelBatchWorker(orchestrator))
    async with orchestrator:
        yield orchestrator


async def run_one(own: Flow[..., Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Run the task that a JSON object describes in the flow run of `own`, and return its result in wire form.

    Its id is the flow run's unless it has one. A flow run that is started again goes on with its task instead of
    submitting another. Raises TaskFailed if the task does not succeed.
    """
    run = current_run()
    task = task_from_json({"id": run.id, **fields})
    async with flow_orchestrator(own, OwnRows(task_id=task.id)) as orchestrator:
        if run.is_again and await orchestrator.get_task(task.id) is not None:
            await orchestrator.retry_tasks([task.id])
            result = await orchestrator.wait_for(task.id)
        else:
            submitted = await orchestrator.submit_task(task, wait=True)
            assert isinstance(submitted, TaskResult)
            result = submitted
    get_run_logger().info("task %s: %s", task.id, f"ran on {result.worker_id}" if result.success else "failed")
    if not result.success:
        raise TaskFailed(result.error or "the task failed without saying why.")
    return result.to_dict()
