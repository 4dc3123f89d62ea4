"""Tasks: submit, execute, and the two common kinds."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request

from api.callers import Submitter
from api.documents import CONFLICT, EVERYWHERE, TOO_LARGE, TOO_MANY
from api.endpoints.common import RunningOrchestrator
from api.models import (
    Executed,
    ExecuteRequest,
    LLMAnswer,
    LLMRequest,
    Submitted,
    TaskRequest,
    ToolAnswer,
    ToolRequest,
    Waiting,
    Waits,
)
from api.quick import QuickRoute
from api.responses import Json
from api.submitting import IdempotencyKey, address_of, keyed, run
from api.submitting import submit as take_in
from BackgroundCognition.orchestrator import Task, TaskResult, TaskType, UnifiedOrchestrator
from vera_orchestrator.callers import Caller
from vera_orchestrator.models import task_priority
from vera_orchestrator.task_json import task_from_json

GOES_ON: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Waiting,
        "description": "The task had not ended within `wait_seconds`; it goes on.",
        "headers": {"Location": {"description": "Where the task is read.", "schema": {"type": "string"}}},
    }
}
REFUSALS = CONFLICT | TOO_LARGE | TOO_MANY


async def submit(
    caller: Submitter, body: TaskRequest, orchestrator: RunningOrchestrator, key: IdempotencyKey = None
) -> Json:
    """Accept a task and answer at once."""
    task = keyed(task_of(body), key)
    task_id = await take_in(orchestrator, caller, task)
    message = f"Accepted as a {task.type} task." if task_id == task.id else "Accepted before, with the same key."
    return Json({"task_id": task_id, "status": "submitted", "message": message})


async def execute(
    request: Request,
    caller: Submitter,
    body: ExecuteRequest,
    orchestrator: RunningOrchestrator,
    key: IdempotencyKey = None,
) -> Json:
    """Run a task and answer with its result; a task that fails is an answer with `success` false."""
    execution = Execution(request, "/tasks/execute", orchestrator, caller, body)
    task_id, result = await execution.of(keyed(task_of(body), key))
    if result is None:
        return await execution.goes_on(task_id)
    return Json({"task_id": task_id, **result.to_dict()})


async def llm_request(
    request: Request,
    caller: Submitter,
    body: LLMRequest,
    orchestrator: RunningOrchestrator,
    key: IdempotencyKey = None,
) -> Json:
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
    return await Execution(request, "/llm/request", orchestrator, caller, body).answer(keyed(task, key), "response")


async def tool_call(
    request: Request,
    caller: Submitter,
    body: ToolRequest,
    orchestrator: RunningOrchestrator,
    key: IdempotencyKey = None,
) -> Json:
    """Call a tool."""
    payload = {"tool_name": body.tool_name, "tool_input": body.tool_input}
    task = Task(type=TaskType.TOOL_CALL, priority=task_priority(body.priority), payload=payload)
    return await Execution(request, "/tools/execute", orchestrator, caller, body).answer(keyed(task, key), "result")


def add_tasks(app: FastAPI, prefix: str) -> None:
    """Put the routes into an app itself, as its own are: it takes longest to look through a router in it."""
    late = GOES_ON | REFUSALS
    for path, endpoint, answer, responses, summary in (
        ("/tasks/submit", submit, Submitted, REFUSALS, "Submit a task"),
        ("/tasks/execute", execute, Executed, late, "Run a task"),
        ("/llm/request", llm_request, LLMAnswer, late, "Ask a language model"),
        ("/tools/execute", tool_call, ToolAnswer, late, "Call a tool"),
    ):
        app.router.add_api_route(
            prefix + path,
            endpoint,
            methods=["POST"],
            response_model=answer,
            responses=EVERYWHERE | responses,
            summary=summary,
            tags=["tasks"],
            route_class_override=QuickRoute,
        )


def task_of(body: TaskRequest) -> Task:
    """Return the task that a request describes. Raises InvalidValue or InvalidPayload, naming the field."""
    given = {name: getattr(body, name) for name in TaskRequest.model_fields}
    if body.requirements is not None:
        given["requirements"] = body.requirements.model_dump(exclude_unset=True)
    webhook = None if body.webhook is None else body.webhook.model_dump()
    return task_from_json({**given, "priority": task_priority(body.priority), "webhook": webhook})


class Execution:
    """Runs the task of a request and answers with its result, or with its address if it takes too long."""

    def __init__(
        self, request: Request, path: str, orchestrator: UnifiedOrchestrator, caller: Caller, body: Waits
    ) -> None:
        self._request = request
        self._path = path
        self._orchestrator = orchestrator
        self._caller = caller
        self._body = body

    async def of(self, task: Task) -> tuple[str, TaskResult | None]:
        """Run a task; return its id and its result, or None if it goes on."""
        return await run(
            self._orchestrator,
            self._caller,
            task,
            seconds=self._body.wait_seconds,
            cancelled_by_leaving=self._request if self._body.cancel_on_disconnect else None,
        )

    async def answer(self, task: Task, name: str) -> Json:
        """Run a task and answer with its result, the data under `name`."""
        task_id, result = await self.of(task)
        if result is None:
            return await self.goes_on(task_id)
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

    async def goes_on(self, task_id: str) -> Json:
        """Answer that a task has not ended yet, with what it waits for."""
        task = await self._orchestrator.get_task(task_id)
        is_known = task is not None and self._caller.may_see(task.caller)
        status, reason = (str(task.status), task.status_reason) if task and is_known else ("pending", None)
        address = address_of(self._request, self._path, "tasks", task_id)
        message = f"The task goes on{f': {reason}' if reason else ''}. Read it at {address}."
        content = {"task_id": task_id, "status": status, "message": message}
        return Json(content, status_code=202, headers={"Location": address})
