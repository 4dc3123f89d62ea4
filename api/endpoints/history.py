"""The history of tasks."""

from __future__ import annotations

import asyncio
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from api.callers import Reader
from api.choices import OneOf
from api.endpoints.common import RunningOrchestrator
from api.guard import GuardedRoute
from api.models import Cursor, History
from api.moments import Moment, in_utc
from api.pages import brief as without_data
from api.pages import position
from api.responses import Json
from BackgroundCognition.orchestrator import TaskStatus
from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.records import HistoryQuery
from vera_orchestrator.models import task_type

HISTORY_LIMIT = 10_000
STATUSES = tuple(str(status) for status in TaskStatus)

router = APIRouter(route_class=GuardedRoute, tags=["tasks"])


def _seconds(moment: Moment, name: str, zone: ZoneInfo) -> float | None:
    found = in_utc(moment, name, zone)
    return None if found is None else found.timestamp()


def _status(name: str | None) -> TaskStatus | None:
    if name is None:
        return None
    try:
        return TaskStatus(name)
    except ValueError:
        raise InvalidValue(
            f"{name!r} is not a status.", field="status", remedy=f"Use one of {', '.join(TaskStatus)}."
        ) from None


@router.get("/tasks/history", response_model=History, summary="List tasks")
async def history(
    me: Reader,
    orchestrator: RunningOrchestrator,
    limit: Annotated[int, Query(ge=1, le=HISTORY_LIMIT)] = 100,
    status: Annotated[str | None, OneOf(*STATUSES), Query(description="Only tasks with this status.")] = None,
    kind: Annotated[str | None, OneOf(types=True), Query(alias="type", description="Only tasks of this type.")] = None,
    caller: Annotated[str | None, Query(description="Only tasks of the key with this id.")] = None,
    tag: Annotated[str | None, Query(description="Only tasks with this tag.")] = None,
    batch_id: Annotated[str | None, Query(description="Only tasks of this batch.")] = None,
    worker_id: Annotated[str | None, Query(description="Only tasks that this worker had last.")] = None,
    since: Annotated[Moment, Query(description="Only tasks submitted at this time (ISO 8601) or later.")] = None,
    until: Annotated[Moment, Query(description="Only tasks submitted before this time.")] = None,
    cursor: Cursor = None,
    brief: Annotated[bool, Query(description="Leave out payloads and the data of results.")] = False,
) -> Json:
    """List tasks, newest first; a caller who may not manage sees its own.

    Times without an offset are in the time zone of the limits (`llm_time_zone`).
    """
    zone = orchestrator.accounts.zone
    query = HistoryQuery(
        limit=limit,
        status=_status(status),
        type=None if kind is None else str(task_type(kind)),
        caller=caller if me.may(Scope.MANAGE) else me.id,
        tag=tag,
        batch_id=batch_id,
        worker_id=worker_id,
        since=_seconds(since, "since", zone),
        until=_seconds(until, "until", zone),
        before_key=position(cursor),
    )
    page = await asyncio.to_thread(orchestrator.list_tasks, query)
    tasks = [task.to_dict() for task in page.tasks]
    if brief:
        tasks = [without_data(task) for task in tasks]
    cursor_after = None if page.next_key is None else str(page.next_key)
    return Json({"tasks": tasks, "count": len(tasks), "next_cursor": cursor_after})
