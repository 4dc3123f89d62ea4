"""`vera submit`: one task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from api.command.exits import CommandFailed, Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json

Priority = Literal["critical", "high", "normal", "low", "background"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a task has beside its type and payload."""

    priority: Annotated[Priority, Parameter(help="How urgent it is.", show_default=True)] = "normal"
    id: Annotated[str | None, Parameter(help="Its id; else a new one.")] = None
    tag: Annotated[tuple[str, ...], Parameter(help="A tag to find it by. Can be repeated.")] = ()
    depends_on: Annotated[tuple[str, ...], Parameter(help="A task to run after. Can be repeated.")] = ()
    needs: Annotated[tuple[str, ...], Parameter(help="A capability that its worker must have. Can be repeated.")] = ()
    max_retries: Annotated[int | None, Parameter(help="Attempts after the first one; 3 if not given.")] = None
    timeout_seconds: Annotated[float | None, Parameter(help="Longest time of one attempt.")] = None
    budget: Annotated[str | None, Parameter(help="Budget of the settings that it is counted against.")] = None
    idempotency_key: Annotated[str | None, Parameter(help="The same key gives the same task once.")] = None

    def fields(self) -> dict[str, Any]:
        """Return the fields that were given, as the API names them."""
        given = {
            "id": self.id,
            "tags": list(self.tag),
            "depends_on": list(self.depends_on),
            "requirements": {"worker_capabilities": list(self.needs)} if self.needs else None,
            "max_retries": self.max_retries,
            "timeout_seconds": self.timeout_seconds,
            "budget": self.budget,
        }
        return {"priority": self.priority, **{name: value for name, value in given.items() if value not in (None, [])}}


PLAIN_TASK = TaskOptions()
"""Nothing was given."""


def submit(
    type: str,
    /,
    *fields: str,
    payload: Annotated[
        str | None, Parameter(help='The payload as JSON, @FILE, or "-" for standard input.', allow_leading_hyphen=True)
    ] = None,
    wait: Annotated[bool, Parameter(help="Wait for its end and write the result.")] = False,
    follow: Annotated[bool, Parameter(help="Show what happens to it, and its text as it comes.")] = False,
    options: TaskOptions = PLAIN_TASK,
    remote: Remote = USUAL,
) -> int:
    """Submit a task: vera submit code_execution code=@hello.py --wait.

    Parameters
    ----------
    type
        Type of the task: tool_call, llm_request, code_execution, api_request, docker_task, custom ...
    fields
        The payload: NAME=TEXT, NAME:=JSON or NAME=@FILE; a.b=TEXT goes into an object a.
    """
    from api.command.client import Client
    from api.command.fields import payload_of

    body = {"type": type, "payload": payload_of(fields, payload), **options.fields()}
    with Client(remote) as client:
        task_id = client.post("/tasks/submit", body, idempotency_key=options.idempotency_key)["task_id"]
        try:
            if follow:
                from api.command.following import follow_task

                return follow_task(client, task_id, as_json=remote.json)
            if wait:
                from api.command.waiting import result_of

                return result_of(client, task_id, as_json=remote.json)
        except CommandFailed as failure:
            raise _accepted_before(task_id, failure) from failure
    if remote.json:
        print_json({"task_id": task_id})
    else:
        console().print(task_id, soft_wrap=True, markup=False)
    return Exit.OK


def _accepted_before(task_id: str, failure: CommandFailed) -> CommandFailed:
    """Return the failure with the id of the task, which goes on: else nobody would know it."""
    return CommandFailed(
        failure.exit_code,
        f"task {task_id} is accepted and goes on, but cannot be followed: {failure.message}",
        failure.remedy,
        problem={**failure.to_dict()["error"], "task_id": task_id},
    )
