"""One task: read, wait for, cancel, retry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.callers import (
    ENDED_BADLY,
    Reader,
    Submitter,
    admit,
    check_repeat,
    note_interference,
    readable_task,
    visible_task,
)
from api.documents import CONFLICT, MISSING, TOO_MANY
from api.endpoints.common import RunningOrchestrator
from api.guard import GuardedRoute
from api.models import WaitSeconds
from api.responses import Json
from api.task_models import CancelledTask, RetriedTask, TaskAnswer
from BackgroundCognition.orchestrator import Task, TaskStatus, UnifiedOrchestrator
from vera_orchestrator.errors import WrongStatus
from vera_orchestrator.journal.ledger import Kept
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.money import from_nanos
from vera_orchestrator.runtime.codec import to_datetime
from vera_orchestrator.runtime.reading import TaskDetails
from vera_orchestrator.windows import SECOND

Wait = Annotated[WaitSeconds, Query(description="Seconds to wait for the end at most.")]
router = APIRouter(route_class=GuardedRoute, tags=["tasks"])


@router.get("/tasks/{task_id:id}", response_model=TaskAnswer, responses=MISSING, summary="Read a task")
async def read(task_id: str, caller: Reader, orchestrator: RunningOrchestrator, wait_seconds: Wait = 0) -> Json:
    """Return a task as it stands, with its attempts; with `wait_seconds`, once it has ended or that time is over."""
    task = await readable_task(orchestrator, caller, task_id)
    if wait_seconds and not task.status.is_final:
        await wait_a_while(orchestrator, task_id, wait_seconds)
    details = await orchestrator.get_task_details(task_id)
    if details is None or not caller.may_see(details.task.caller):  # it is gone, or another's has its id by now
        details = TaskDetails(task=task, key=0)
    return Json(shown(orchestrator, details))


@router.post("/tasks/{task_id:id}/cancel", response_model=CancelledTask, responses=MISSING, summary="Cancel a task")
async def cancel(task_id: str, caller: Submitter, orchestrator: RunningOrchestrator) -> Json:
    """Cancel a task, waiting or running; one that has ended stays as it is."""
    await note_interference(
        orchestrator, caller, "cancel_task", task_id, [await visible_task(orchestrator, caller, task_id)]
    )
    cancelled = await orchestrator.cancel_task(task_id)
    task = await visible_task(orchestrator, caller, task_id)
    message = "It is being cancelled." if cancelled else f"It had ended before: {task.status}."
    return Json({"task_id": task_id, "cancelled": cancelled, "status": str(task.status), "message": message})


@router.post(
    "/tasks/{task_id:id}/retry",
    response_model=RetriedTask,
    responses=MISSING | CONFLICT | TOO_MANY,
    summary="Retry a task",
)
async def retry(task_id: str, caller: Submitter, orchestrator: RunningOrchestrator) -> Json:
    """Put a failed or cancelled task back into the queue, with no retry used."""
    task = await visible_task(orchestrator, caller, task_id)
    if task.status not in ENDED_BADLY:
        raise WrongStatus(
            f"the task is {task.status}.", field="task_id", remedy="Only failed and cancelled tasks can be retried."
        )
    await check_repeat(orchestrator, caller, [task])
    await admit(caller, [task])
    await note_interference(orchestrator, caller, "retry_task", task_id, [task])
    if not await orchestrator.retry_tasks([task_id]):
        raise WrongStatus(
            "the task cannot be retried.",
            field="task_id",
            remedy="Submit it again: it was not to be stored, or somebody has put it back meanwhile.",
        )
    return Json({"task_id": task_id, "status": str(TaskStatus.QUEUED), "message": "It waits for its next attempt."})


async def wait_a_while(orchestrator: UnifiedOrchestrator, task_id: str, seconds: float) -> None:
    """Wait for the end of a task, `seconds` at most."""
    try:
        await orchestrator.wait_for(task_id, seconds)
    except TimeoutError:
        return


def shown(orchestrator: UnifiedOrchestrator, details: TaskDetails) -> dict[str, Any]:
    """Return the wire form of a task with what is known beside it."""
    task = details.task
    metrics = task.result.metrics if task.result is not None else {}
    routing = metrics.get("routing")
    if routing is None and details.considered:
        routing = {"worker": task.worker_id, "considered": dict(details.considered)}
    engine, flow_run_id = orchestrator.engine, details.flow_run_id
    return {
        **task.to_dict(),
        "error": task.result.error if task.result is not None else None,
        "metrics": metrics,
        "attempts": [attempt_of(use) for use in details.uses] or last_attempt(task),
        "routing": routing,
        "prefect_url": engine.task_run_url(details.key) if flow_run_id is None else engine.run_url(flow_run_id),
        "webhook": [message_of(one) for one in details.messages] if task.webhook is not None else None,
    }


def message_of(one: Delivery) -> dict[str, Any]:
    """Return the wire form of a message to a webhook; where it goes may hold a secret and is not shown."""
    due_at, delivered_at = to_datetime(one.due_at), to_datetime(one.delivered_at)
    return {
        "id": one.id,
        "type": one.kind,
        "attempts": one.attempts,
        "due_at": due_at.isoformat() if due_at else None,
        "delivered_at": delivered_at.isoformat() if delivered_at else None,
        "error": one.error,
    }


def attempt_of(use: Kept) -> dict[str, Any]:
    """Return the wire form of an attempt that the ledger knows."""
    usage, cost = use.usage, use.amounts.cost
    return {
        "worker_id": use.worker_id,
        "at": datetime.fromtimestamp(use.at / SECOND, UTC).isoformat(),
        "state": str(use.state),
        "provider": use.provider,
        "model": use.model,
        "tokens": use.amounts.tokens,
        "input_tokens": usage.whole_input if usage is not None else None,
        "output_tokens": usage.whole_output if usage is not None else None,
        "cost_usd": float(from_nanos(cost)) if cost is not None else None,
    }


def last_attempt(task: Task) -> list[dict[str, Any]]:
    """Return the one attempt that is known of a task on a worker without a ledger, if there was one."""
    if task.started_at is None:
        return []
    state = "ended" if task.status.is_final else "running"
    return [{"worker_id": task.worker_id, "at": task.started_at.isoformat(), "state": state}]
