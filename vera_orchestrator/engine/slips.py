"""A slip: what a Prefect task run shows of work whose life is decided elsewhere.

The ten Prefect tasks have one body, `show_run`. It makes the run's context known, so that work can go on inside it, and
stays open until the slip has an outcome. So a run never holds work up: it shows it.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import Cancelled, Failed

from vera_orchestrator.engine.base import Outcome
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import NotAllowed

_current: ContextVar[Slip] = ContextVar("vera_slip")


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True, kw_only=True)
class Slip:
    """One task run to be shown. `upstream` are the runs it has edges to; `type` names the Prefect task."""

    type: str
    name: str
    run_id: UUID = field(default_factory=uuid4)
    upstream: tuple[UUID, ...] = ()
    context: asyncio.Future[Context] = field(default_factory=_future)
    outcome: asyncio.Future[Outcome] = field(default_factory=_future)

    def finish(self, outcome: Outcome) -> None:
        """Let the run end."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def enter(self) -> None:
        """Make this the slip of the current context."""
        _current.set(self)


def run_name() -> str:
    """Return the name of the run that is about to start; Prefect calls this."""
    slip = _current.get(None)
    return slip.name if slip else "outside an orchestrator"


async def show_run(tags: set[str]) -> State[Any] | None:
    """Stay open until the work of the current slip has ended; return the state that its outcome means.

    The run is given its tags only here: Prefect would otherwise ask its API for limits on them before each run. Raises
    NotAllowed outside an orchestrator.
    """
    slip = _current.get(None)
    if slip is None:
        raise NotAllowed(
            "This Prefect task is the record of a task that an orchestrator runs.",
            remedy="Call the flow run_task, or submit the task to an orchestrator.",
        )
    run = TaskRunContext.get()
    if run is not None:
        run.task_run.tags = sorted(tags)
    if not slip.context.done():
        slip.context.set_result(copy_context())
    outcome = await slip.outcome
    if run is not None:
        run.task_run.name = slip.name
    return state_of(outcome)


def state_of(outcome: Outcome) -> State[Any] | None:
    """Return the Prefect state of an outcome; None means completed."""
    if outcome.status is TaskStatus.COMPLETED:
        return None
    if outcome.status is TaskStatus.CANCELLED:
        return Cancelled(message=outcome.error)
    return Failed(message=outcome.error)
