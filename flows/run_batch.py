"""Run a batch: `prefect deployment run run-batch/vera --param tasks=…`."""

from __future__ import annotations

from typing import Any

from prefect import State, flow, get_run_logger

from flows.orchestration import current_run, flow_orchestrator
from flows.scope import OwnRows
from vera_orchestrator.engine.hosts import be_host, has_host
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import NotFound, TaskFailed
from vera_orchestrator.models import TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.task_json import task_from_json


def run_name() -> str:
    """Name a flow run after the batch it was given; without one it keeps its name."""
    run = current_run()
    return str(run.parameters.get("batch_id") or run.name)


@flow(name="run-batch", flow_run_name=run_name, persist_result=False)
async def run_batch(
    tasks: list[dict[str, Any]] | None = None,
    execute_parallel: bool = True,
    fail_fast: bool = False,
    batch_id: str | None = None,
) -> list[dict[str, Any]] | State[Any] | None:
    """Run tasks that may depend on each other, or what has not succeeded of the batch `batch_id` if there is one.

    The batch's id is that of the flow run unless it is given; started again by Prefect, the flow run goes on with it.
    Returns the results in the order of the tasks; the flow run fails if any of them did not succeed.
    """
    if has_host():  # an orchestrator in this process runs the batch and shows it here
        return await be_host()
    batch_id = batch_id or current_run().id
    async with flow_orchestrator(run_batch, OwnRows(batch_id=batch_id)) as orchestrator:
        earlier = await orchestrator.get_batch(batch_id)
        if earlier is None:
            await _submit(orchestrator, batch_id, tasks, execute_parallel=execute_parallel, fail_fast=fail_fast)
        elif earlier.status is TaskStatus.COMPLETED:
            get_run_logger().info("batch %s has succeeded already: there is nothing to run again", batch_id)
        else:
            await orchestrator.retry_batch(batch_id)
        results = await orchestrator.wait_for_batch(batch_id)
    get_run_logger().info("batch %s: %d tasks", batch_id, len(results))
    return _checked(results)


async def _submit(
    orchestrator: Orchestrator,
    batch_id: str,
    tasks: list[dict[str, Any]] | None,
    *,
    execute_parallel: bool,
    fail_fast: bool,
) -> None:
    if tasks is None:
        raise NotFound(f"no batch {batch_id!r}.", field="batch_id", remedy="Give tasks, or the id of an earlier batch.")
    given = [task_from_json(fields) for fields in tasks]
    await orchestrator.submit_batch(given, execute_parallel, fail_fast=fail_fast, batch_id=batch_id)


def _checked(results: list[TaskResult]) -> list[dict[str, Any]]:
    failed = [result for result in results if not result.success]
    if failed:
        raise TaskFailed(f"{len(failed)} of {len(results)} tasks did not succeed: {failed[0].error}")
    return [result.to_dict() for result in results]
