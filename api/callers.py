"""Who calls, what a route asks of them, and what they may see.

A route says which scope it needs by the type of an argument: `caller: Reader`, `Submitter`, `Manager` or `AnyCaller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from BackgroundCognition.orchestrator import Task, TaskStatus, TaskType, UnifiedOrchestrator
from vera_orchestrator import callers
from vera_orchestrator.callers import LOCAL, Caller, Scope
from vera_orchestrator.errors import NotFound
from vera_orchestrator.models import ParallelBatch
from vera_orchestrator.runtime.attempt import NOT_ITS_SECRET
from vera_orchestrator.runtime.reading import BatchDetails
from vera_orchestrator.secrets import check_allowed

STATE_NAME = "vera.caller"
TARGET_NAME = "vera.target"
ENDED_BADLY = (TaskStatus.FAILED, TaskStatus.CANCELLED)
NOT_THIS_KEYS_SECRET = "Use a key that may: vera keys create NAME --secret {}."

BEARER = HTTPBearer(auto_error=False, description="A key. Callers on the server's own machine may need none.")


class Needs:
    """A dependency that gives the caller; the guard of the route refuses who lacks the scope."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    async def __call__(self, connection: HTTPConnection, _: Annotated[object, Depends(BEARER)] = None) -> Caller:
        """Return the caller; a coroutine, as FastAPI gives a thread to what is none."""
        return caller_of(connection)


AnyCaller = Annotated[Caller, Depends(Needs(None))]
"""Whoever may call at all."""
Reader = Annotated[Caller, Depends(Needs(Scope.READ))]
"""A caller who may read."""
Submitter = Annotated[Caller, Depends(Needs(Scope.SUBMIT))]
"""A caller who may submit, cancel and retry tasks."""
Manager = Annotated[Caller, Depends(Needs(Scope.MANAGE))]
"""A caller who may change workers and keys, and see everybody's tasks."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Return who was let in."""
    caller: Caller = connection.scope.get(STATE_NAME, LOCAL)
    return caller


def concerns(connection: HTTPConnection, target: str) -> None:
    """Say what a call is about, for the audit, where its path does not say it."""
    connection.scope[TARGET_NAME] = target


def target_of(connection: HTTPConnection) -> str | None:
    """Return what a call is about."""
    named: str | None = connection.scope.get(TARGET_NAME)
    return named or "/".join(str(part) for part in connection.path_params.values()) or None


async def sign(caller: Caller, tasks: Iterable[Task], *, is_batch: bool = False) -> None:
    """Make tasks the caller's before they are submitted; those of one key take their turns together.

    Raises NotAllowed for a secret that the caller may not use, RateExceeded, or OverLimit for more tasks than its rate
    ever lets through.
    """
    signed = list(tasks)
    for number, task in enumerate(signed):
        _check_secrets(task, caller.secrets, NOT_THIS_KEYS_SECRET, within=f"tasks.{number}." if is_batch else "")
    await admit(caller, signed)
    for task in signed:
        task.caller = caller.id
        if caller.id is not None:
            task.fairness_key = caller.id
            task.idempotency_key = own_key(caller, task.idempotency_key)


async def admit(caller: Caller, tasks: Sequence[Task]) -> None:
    """Count tasks that a caller wants to be run; raises as `sign` does."""
    if caller.admit is not None and tasks:
        batches = [task for task in tasks if task.type == TaskType.PARALLEL_BATCH]
        await caller.admit(len(tasks) + sum(inner_tasks(task.payload) for task in batches))


async def check_repeat(
    orchestrator: UnifiedOrchestrator, caller: Caller, tasks: Iterable[Task], *, is_batch: bool = False
) -> None:
    """Raise NotAllowed where a task that ended badly uses a secret that the caller, or the task's own key, may not."""
    for number, task in enumerate(tasks):
        if task.status not in ENDED_BADLY:  # it is not run again
            continue
        within = f"tasks.{number}." if is_batch else ""
        _check_secrets(task, caller.secrets, NOT_THIS_KEYS_SECRET, within=within)
        if task.caller != caller.id:
            _check_secrets(task, await orchestrator.keys.secrets_of(task.caller), NOT_ITS_SECRET, within=within)


def _check_secrets(task: Task, allowed: frozenset[str], remedy: str, *, within: str) -> None:
    check_allowed(task.payload, allowed, place=f"{within}payload", remedy=remedy)
    if task.webhook is not None:
        check_allowed({"secret": task.webhook.secret}, allowed, place=f"{within}webhook", remedy=remedy)


def own_key(caller: Caller, key: str | None) -> str | None:
    """Return an idempotency key as a caller's own, so that two can use the same one."""
    return None if key is None else callers.own_key(caller.id, key)


async def note_interference(
    orchestrator: UnifiedOrchestrator, caller: Caller, action: str, target: str, tasks: Iterable[Task]
) -> None:
    """Add to the audit what a caller does to tasks of others, as only a manager may."""
    if any(task.caller != caller.id for task in tasks):
        await orchestrator.keys.note(caller, action, target, HTTPStatus.OK)


def inner_tasks(payload: dict[str, Any]) -> int:
    """Return how many tasks the payload of a batch holds, at any depth."""
    count, left = 0, [payload]
    while left:
        inner: Any = left.pop().get("tasks")
        fields: list[dict[str, Any]] = [one for one in inner if isinstance(one, dict)] if _is_list(inner) else []
        count += len(fields)
        payloads: list[Any] = [one.get("payload") for one in fields if one.get("type") == TaskType.PARALLEL_BATCH]
        left += [one for one in payloads if isinstance(one, dict)]
    return count


def _is_list(value: object) -> bool:
    return isinstance(value, list)


async def visible_task(orchestrator: UnifiedOrchestrator, caller: Caller, task_id: str) -> Task:
    """Return a task; raises NotFound also for one that the caller may not see."""
    task = await orchestrator.get_task(task_id)
    if task is None or not caller.may_see(task.caller):
        raise NotFound(f"no task {task_id!r}.", field="task_id", remedy="See /tasks/history for those there are.")
    return task


async def readable_task(orchestrator: UnifiedOrchestrator, caller: Caller, task_id: str) -> Task:
    """Return a task to be read: an ended one of the caller's also where another's has its id by now.

    Raises NotFound as `visible_task` does.
    """
    try:
        return await visible_task(orchestrator, caller, task_id)
    except NotFound:
        own = None if caller.id is None else await orchestrator.get_task(task_id, caller=caller.id)
        if own is None:
            raise
        return own


async def visible_batch(orchestrator: UnifiedOrchestrator, caller: Caller, batch_id: str) -> ParallelBatch:
    """Return a batch; raises NotFound also for one that the caller may not see."""
    return _if_visible(await orchestrator.get_batch(batch_id), caller, batch_id)


async def visible_batch_details(orchestrator: UnifiedOrchestrator, caller: Caller, batch_id: str) -> BatchDetails:
    """Return a batch and the messages to its webhook; raises NotFound as `visible_batch` does."""
    details = await orchestrator.get_batch_details(batch_id)
    _if_visible(details and details.batch, caller, batch_id)
    assert details is not None
    return details


def _if_visible(batch: ParallelBatch | None, caller: Caller, batch_id: str) -> ParallelBatch:
    if batch is None or not any(caller.may_see(task.caller) for task in batch.tasks):
        raise NotFound(f"no batch {batch_id!r}.", field="batch_id", remedy="See /batches for those there are.")
    return batch
