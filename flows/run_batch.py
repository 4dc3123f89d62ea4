"""Run a batch: `prefect deployment run run-batch/vera --param tasks=…`."""

from __future__ import annotations

from typing import Any

from prefect import State, flow

from flows.orchestration import flow_orchestrator
from vera_orchestrator.engine.hosts import be_host, has_host
from vera_orchestrator.errors import NotFound, TaskFailed
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.models import TaskResult
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.task_json import task_from_json


@flow(name="run-batch", persist_result=False)
async def run_batch(
    tasks: list[dict[str, Any]] | None = None,
    execute_parallel: bool = True,
    fail_fast: bool = False,
    batch_id: str | None = None,
) -> list[dict[str, Any]] | State[Any] | None:
    """Run tasks that may depend on each other, or with `batch_id` alone what has not succeeded of an earlier batch.

    Returns the results in the order of the tasks; the flow run fails if any of them did not succeed.
    """
    if has_host():  # an orchestrator in this process runs the batch and shows it here
        return await be_host()
    if tasks is None:
        results = await _again(batch_id)
    else:
        async with flow_orchestrator(run_batch) as orchestrator:
            submitted = await orchestrator.submit_batch(
                [task_from_json(fields) for fields in tasks],
                execute_parallel,
                wait=True,
                fail_fast=fail_fast,
                batch_id=batch_id,
            )
        assert isinstance(submitted, list)
        results = submitted
    failed = [result for result in results if not result.success]
    if failed:
        raise TaskFailed(f"{len(failed)} of {len(results)} tasks did not succeed: {failed[0].error}")
    return [result.to_dict() for result in results]


async def _again(batch_id: str | None) -> list[TaskResult]:
    """Run what failed or was cancelled of a batch."""
    journal = make_journal(OrchestratorConfig().journal_url)
    await journal.open()
    row = await journal.batch(batch_id) if batch_id else None
    await journal.close()
    if row is None or batch_id is None:
        raise NotFound(f"no batch {batch_id!r}.", field="batch_id", remedy="Give tasks, or the id of an earlier batch.")
    async with flow_orchestrator(run_batch, batch_key=row.key) as orchestrator:
        await orchestrator.retry_batch(batch_id)
        return await orchestrator.wait_for_batch(batch_id)
