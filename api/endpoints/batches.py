"""Batches: submit, list, read, cancel, retry."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.batch_models import BatchAnswer, BatchList, BatchRequest, CancelledBatch, RetriedBatch, SubmittedBatch
from api.callers import (
    ENDED_BADLY,
    Reader,
    Submitter,
    admit,
    check_repeat,
    note_interference,
    own_key,
    sign,
    visible_batch,
    visible_batch_details,
)
from api.documents import CONFLICT, MISSING, TOO_LARGE, TOO_MANY
from api.endpoints.common import RunningOrchestrator
from api.endpoints.task import Wait, message_of
from api.endpoints.tasks import task_of
from api.guard import GuardedRoute
from api.models import Cursor
from api.pages import brief, next_cursor, position
from api.responses import Json
from api.submitting import IdempotencyKey
from BackgroundCognition.orchestrator import ParallelBatch, UnifiedOrchestrator
from vera_orchestrator.callers import Scope
from vera_orchestrator.journal.records import BatchCounts, BatchQuery
from vera_orchestrator.runtime.codec import to_datetime
from vera_orchestrator.runtime.intake import batch_edges
from vera_orchestrator.runtime.reading import BatchDetails
from vera_orchestrator.runtime.submission import decode_options

LIST_LIMIT = 1_000
router = APIRouter(route_class=GuardedRoute, tags=["batches"])


@router.post(
    "/batches", response_model=SubmittedBatch, responses=CONFLICT | TOO_LARGE | TOO_MANY, summary="Submit a batch"
)
async def submit(
    caller: Submitter, body: BatchRequest, orchestrator: RunningOrchestrator, key: IdempotencyKey = None
) -> Json:
    """Accept tasks that may depend on each other, all or none, and answer at once."""
    tasks = [task_of(one) for one in body.tasks]
    await sign(caller, tasks, is_batch=True)
    batch_id = await orchestrator.submit_batch(
        tasks,
        execute_parallel=body.execute_parallel,
        fail_fast=body.fail_fast,
        batch_id=body.batch_id,
        name=body.name,
        idempotency_key=own_key(caller, key or body.idempotency_key),
        webhook=None if body.webhook is None else body.webhook.model_dump(),
    )
    assert isinstance(batch_id, str)
    message, task_ids = f"Accepted with {len(tasks)} tasks.", [task.id for task in tasks]
    if tasks[0].batch_id != batch_id:
        message = "Accepted before, with the same key."
        task_ids = [task.id for task in (await visible_batch(orchestrator, caller, batch_id)).tasks]
    return Json({"batch_id": batch_id, "task_ids": task_ids, "status": "submitted", "message": message})


@router.get("/batches", response_model=BatchList, summary="List batches")
async def list_batches(
    caller: Reader,
    orchestrator: RunningOrchestrator,
    limit: Annotated[int, Query(ge=1, le=LIST_LIMIT)] = 100,
    cursor: Cursor = None,
) -> Json:
    """List batches, newest first."""
    only = None if caller.may(Scope.MANAGE) else caller.id
    query = BatchQuery(limit=limit + 1, before_key=position(cursor), caller=only)
    found = await orchestrator.list_batches(query)
    keys = [one.row.key for one in found]
    return Json({"batches": [in_list(one) for one in found[:limit]], "next_cursor": next_cursor(keys, limit)})


@router.get("/batches/{batch_id:id}", response_model=BatchAnswer, responses=MISSING, summary="Read a batch")
async def read(
    batch_id: str,
    caller: Reader,
    orchestrator: RunningOrchestrator,
    wait_seconds: Wait = 0,
    without_data: Annotated[bool, Query(alias="brief", description="Leave payloads and results' data out.")] = False,
) -> Json:
    """Return a batch as it stands; with `wait_seconds`, once it has ended or that time is over."""
    if wait_seconds and not (await visible_batch(orchestrator, caller, batch_id)).status.is_final:
        with suppress(TimeoutError):
            await orchestrator.wait_for_batch(batch_id, wait_seconds)
    details = await visible_batch_details(orchestrator, caller, batch_id)
    return Json(shown(orchestrator, details, without_data=without_data))


@router.post(
    "/batches/{batch_id:id}/cancel", response_model=CancelledBatch, responses=MISSING, summary="Cancel a batch"
)
async def cancel(batch_id: str, caller: Submitter, orchestrator: RunningOrchestrator) -> Json:
    """Cancel what has not ended of a batch."""
    batch = await visible_batch(orchestrator, caller, batch_id)
    await note_interference(orchestrator, caller, "cancel_batch", batch_id, batch.tasks)
    cancelled = await orchestrator.cancel_batch(batch_id)
    message = f"{cancelled} tasks are being cancelled." if cancelled else "All of its tasks had ended before."
    return Json({"batch_id": batch_id, "cancelled": cancelled, "message": message})


@router.post(
    "/batches/{batch_id:id}/retry", response_model=RetriedBatch, responses=MISSING | TOO_MANY, summary="Retry a batch"
)
async def retry(batch_id: str, caller: Submitter, orchestrator: RunningOrchestrator) -> Json:
    """Run what failed or was cancelled of a batch again; what succeeded is kept."""
    batch = await visible_batch(orchestrator, caller, batch_id)
    await check_repeat(orchestrator, caller, batch.tasks, is_batch=True)
    await admit(caller, [task for task in batch.tasks if task.status in ENDED_BADLY])
    await note_interference(orchestrator, caller, "retry_batch", batch_id, batch.tasks)
    task_ids = await orchestrator.retry_batch(batch_id)
    message = f"{len(task_ids)} tasks wait for their next attempt."
    if not task_ids:
        message = "Nothing to retry: it has no failed or cancelled task that is kept."
    return Json({"batch_id": batch_id, "task_ids": task_ids, "message": message})


def in_list(found: BatchCounts) -> dict[str, Any]:
    """Return the wire form of a batch in a list."""
    row = found.row
    submitted, completed = to_datetime(row.submitted_at), to_datetime(row.completed_at)
    return {
        "batch_id": row.id,
        "name": decode_options(row.options).name,
        "status": str(row.status),
        "submitted_at": submitted.isoformat() if submitted else None,
        "completed_at": completed.isoformat() if completed else None,
        "counts": {str(status): number for status, number in found.by_status.items()},
    }


def shown(orchestrator: UnifiedOrchestrator, details: BatchDetails, *, without_data: bool) -> dict[str, Any]:
    """Return the wire form of a batch with its graph and the messages to its webhook."""
    batch = details.batch
    url = orchestrator.engine.run_url(batch.flow_run_id) if batch.flow_run_id is not None else None
    whole = batch.to_dict()
    tasks = whole.pop("tasks")
    return {
        **whole,
        "prefect_url": url,
        "counts": dict(Counter(str(task.status) for task in batch.tasks)),
        "edges": edges_of(batch),
        "webhook": [message_of(one) for one in details.messages] if batch.webhook is not None else None,
        "tasks": [brief(task) for task in tasks] if without_data else tasks,
    }


def edges_of(batch: ParallelBatch) -> list[dict[str, Any]]:
    """Return what waits for what, the order of a sequential batch included; of tasks that are gone there is nothing."""
    known = {task.id for task in batch.tasks}
    if all(known.issuperset((*task.depends_on, *task.depends_on_any)) for task in batch.tasks):
        edges = batch_edges(batch.tasks, in_order=not batch.execute_parallel)
    else:
        edges = {
            task.id: dict.fromkeys(task.depends_on_any, False) | dict.fromkeys(task.depends_on, True)
            for task in batch.tasks
        }
    return [
        {"from": upstream, "to": task_id, "any": not needs_success}
        for task_id, waits in edges.items()
        for upstream, needs_success in waits.items()
        if upstream in known
    ]
