"""Run one task: `prefect deployment run run-task/vera --param type=… --param payload=…`."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.orchestration import flow_orchestrator
from vera_orchestrator.errors import TaskFailed
from vera_orchestrator.models import TaskResult
from vera_orchestrator.task_json import task_from_json


@flow(name="run-task", flow_run_name="{type}", persist_result=False)
async def run_task(
    type: str,
    payload: dict[str, Any],
    priority: str = "normal",
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a task and return its result.

    `options` are further fields of a task, such as max_retries, timeout_seconds, tags or requirements. The flow run
    fails if the task does.
    """
    task = task_from_json({"type": type, "payload": payload, "priority": priority, **(options or {})})
    async with flow_orchestrator(run_task) as orchestrator:
        result = await orchestrator.submit_task(task, wait=True)
    assert isinstance(result, TaskResult)
    if not result.success:
        raise TaskFailed(result.error or "the task failed without saying why")
    return result.to_dict()
