"""Takes the tasks of a request in, and waits for their results as long as the client wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote

from fastapi import Header
from starlette.requests import Request

from api.callers import sign, visible_task
from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from vera_orchestrator.callers import Caller
from vera_orchestrator.errors import InvalidValue, VeraError
from vera_orchestrator.runtime.intake import unknown_dependency
from vera_orchestrator.runtime.submission import Accepted

HEADER = "Idempotency-Key"
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=200,
        description="A request that comes again with the key of an earlier one is answered with what that one made.",
    ),
]


def keyed(task: Task, key: str | None) -> Task:
    """Give a task the idempotency key of its request; raises InvalidValue if it has another one of its own."""
    if key is not None and task.idempotency_key not in (None, key):
        raise InvalidValue(
            "the header and the task's idempotency_key differ.", field=HEADER, remedy="Give one of the two."
        )
    task.idempotency_key = key or task.idempotency_key
    return task


async def submit(orchestrator: UnifiedOrchestrator, caller: Caller, task: Task) -> str:
    """Accept a task as the caller's and return its id, or that of an earlier one with its idempotency key.

    Raises as `submit_task` does, and UnknownDependency also for a dependency that the caller may not see.
    """
    return (await _accepted(orchestrator, caller, task)).task_id


async def _accepted(orchestrator: UnifiedOrchestrator, caller: Caller, task: Task) -> Accepted:
    await check_dependencies(orchestrator, caller, task)
    await sign(caller, [task])
    return await orchestrator.accept(task)


async def check_dependencies(orchestrator: UnifiedOrchestrator, caller: Caller, task: Task) -> None:
    """Raise UnknownDependency for a task that the caller may not see: it is not to learn that there is one."""
    for task_id in (*task.depends_on, *task.depends_on_any):
        found = await orchestrator.get_task(task_id)
        if found is not None and not caller.may_see(found.caller):
            raise unknown_dependency(task, task_id)


async def run(
    orchestrator: UnifiedOrchestrator,
    caller: Caller,
    task: Task,
    *,
    seconds: float,
    cancelled_by_leaving: Request | None = None,
) -> tuple[str, TaskResult | None]:
    """Run a task; return its id and its result, or None if that takes longer than `seconds`.

    A client that goes away cancels the task only where its request is given. Raises as `submit` does.
    """
    accepted = await _accepted(orchestrator, caller, task)  # and not its id, which may be another caller's by now
    try:
        async with asyncio.timeout(seconds):
            if cancelled_by_leaving is None:
                return accepted.task_id, await orchestrator.result_of(accepted)
            async with _attended(orchestrator, caller, accepted.task_id, cancelled_by_leaving):
                return accepted.task_id, await orchestrator.result_of(accepted)
    except TimeoutError:
        return accepted.task_id, None


@asynccontextmanager
async def _attended(
    orchestrator: UnifiedOrchestrator, caller: Caller, task_id: str, request: Request
) -> AsyncGenerator[None]:
    """Cancel a task if the client goes away while the block lasts."""
    watch = asyncio.create_task(_cancel_when_gone(orchestrator, caller, task_id, request))
    try:
        yield
    finally:
        watch.cancel()


async def _cancel_when_gone(orchestrator: UnifiedOrchestrator, caller: Caller, task_id: str, request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    try:
        await visible_task(orchestrator, caller, task_id)
        await orchestrator.cancel_task(task_id)
    except VeraError:  # the orchestrator was stopped: the task goes on when it starts again
        return


def address_of(request: Request, path: str, kind: str, thing_id: str) -> str:
    """Return where a task or batch is found whose request came to `path` below the prefix."""
    return f"{request.url.path.removesuffix(path)}/{kind}/{quote(thing_id, safe='')}"
