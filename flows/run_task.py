"""Run one task: `prefect deployment run run-task/vera --param type=… --param payload=…`."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.orchestration import run_one


@flow(name="run-task", flow_run_name="{type}", persist_result=False)
async def run_task(
    type: str,
    payload: dict[str, Any],
    priority: str = "normal",
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a task and return its result, which is also in the journal under the task's id (that of the flow run).

    `options` are further fields of a task, such as id, max_retries, timeout_seconds, tags or requirements. The flow run
    fails if the task does; started again by Prefect, it runs the same task again, or takes the result of a task that
    has succeeded since.
    """
    return await run_one(run_task, {"type": type, "payload": payload, "priority": priority, **(options or {})})
