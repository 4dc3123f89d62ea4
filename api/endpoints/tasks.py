"""Tasks: submit, execute, the two common kinds, and the history."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.callers import Reader, Submitter, sign
from api.endpoints.common import RunningOrchestrator
from api.guard import GuardedRoute
from api.models import (
    Executed,
    ExecuteRequest,
    History,
    LLMAnswer,
    LLMRequest,
    Submitted,
    TaskRequest,
    ToolAnswer,
    ToolRequest,
    Waiting,
)
from api.responses import Json
from BackgroundCognition.orchestrator import Task, TaskResult, TaskType, UnifiedOrchestrator
from vera_orchestrator.callers import Caller, Scope
from vera_orchestrator.models import task_priority
from vera_orchestrator.task_json import task_from_json

HISTORY_LIMIT = 10_000
GOES_ON: dict[int | str, dict[str, Any]] = {
    202: {"model": Waiting, "description": "The task had not ended within `wait_seconds`; it goes on."}
}

router = APIRouter(route_class=GuardedRoute, tags=["tasks"])


@router.post("/tasks/submit", response_model=Submitted)
async def submit(caller: Submitter, body: TaskRequest, orchestrator: RunningOrchestrator) -> Json:
    """Accept a task and answer at once."""
    task = task_of(body)
    await sign(caller, [task])
    task_id = await orchestrator.submit_task(task)
    return Json({"task_id": task_id, "status": "submitted", "message": f"Accepted as a {task.type} task."})


@router.post("/tasks/execute", response_model=Executed, responses=GOES_ON)
async def execute(caller: Submitter, body: ExecuteRequest, orchestrator: RunningOrchestrator) -> Json:
    """Run a task and answer with its result; a task that fails is an answer with `success` false."""
    task_id, result = await run(orchestrator, caller, task_of(body), body.wait_seconds)
    if result is None:
        return await goes_on(orchestrator, task_id)
    return Json({"task_id": task_id, **result.to_dict()})


@router.post("/llm/request", response_model=LLMAnswer, responses=GOES_ON)
async def llm_request(caller: Submitter, body: LLMRequest, orchestrator: RunningOrchestrator) -> Json:
    """Ask a language model."""
    asked = {name: getattr(body, name) for name in ("prompt", "model", "system", "temperature", "max_tokens")}
    task = Task(
        type=TaskType.LLM_REQUEST,
        priority=task_priority(body.priority),
        payload={name: value for name, value in asked.items() if value is not None}
        | ({"cache": True} if body.cache else {}),
        budget=body.budget,
        metadata={"prefer_ollama": body.prefer_ollama},
    )
    return await answer(orchestrator, caller, task, body.wait_seconds, name="response")


@router.post("/tools/execute", response_model=ToolAnswer, responses=GOES_ON)
async def tool_call(caller: Submitter, body: ToolRequest, orchestrator: RunningOrchestrator) -> Json:
    """Call a tool."""
    payload = {"tool_name": body.tool_name, "tool_input": body.tool_input}
    task = Task(type=TaskType.TOOL_CALL, priority=task_priority(body.priority), payload=payload)
    return await answer(orchestrator, caller, task, body.wait_seconds, name="result")


@router.get("/tasks/history", response_model=History)
async def history(
    caller: Reader,
    orchestrator: RunningOrchestrator,
    limit: Annotated[int, Query(ge=1, le=HISTORY_LIMIT)] = 100,
    status: Annotated[str | None, Query(description="Only tasks with this status.")] = None,
) -> Json:
    """List tasks, newest first."""
    only = None if caller.may(Scope.MANAGE) else caller.id
    tasks = await asyncio.to_thread(orchestrator.get_task_history, limit, status, caller=only)
    return Json({"tasks": tasks, "count": len(tasks)})


def task_of(body: TaskRequest) -> Task:
    """Return the task that a request describes. Raises InvalidValue or InvalidPayload, naming the field."""
    given = {name: getattr(body, name) for name in TaskRequest.model_fields}
    return task_from_json({**given, "priority": task_priority(body.priority)})


async def run(
    orchestrator: UnifiedOrchestrator, caller: Caller, task: Task, seconds: float
) -> tuple[str, TaskResult | None]:
    """Run a task; return its id and its result, or None if that takes longer than `seconds`."""
    await sign(caller, [task])
    task_id = await orchestrator.submit_task(task)
    assert isinstance(task_id, str)
    try:
        return task_id, await orchestrator.wait_for(task_id, seconds)
    except TimeoutError:
        return task_id, None


async def answer(orchestrator: UnifiedOrchestrator, caller: Caller, task: Task, seconds: float, *, name: str) -> Json:
    """Run a task and answer with its result, the data under `name`."""
    task_id, result = await run(orchestrator, caller, task, seconds)
    if result is None:
        return await goes_on(orchestrator, task_id)
    return Json(
        {
            "task_id": task_id,
            "success": result.success,
            name: result.data,
            "error": result.error,
            "error_type": result.error_type,
            "metrics": result.metrics,
        }
    )


async def goes_on(orchestrator: UnifiedOrchestrator, task_id: str) -> Json:
    """Answer that a task has not ended yet, with what it waits for."""
    task = await orchestrator.get_task(task_id)
    status, reason = (str(task.status), task.status_reason) if task is not None else ("pending", None)
    message = f"The task goes on{f': {reason}' if reason else ''}. It will be listed in /tasks/history."
    return Json({"task_id": task_id, "status": status, "message": message}, status_code=202)
