"""`vera logs`, `vera show`, `vera cancel` and `vera retry`."""

from __future__ import annotations

from collections.abc import Iterator

from api.command.exits import CommandFailed, Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json, tell


def logs(task_id: str, /, *, remote: Remote = USUAL) -> int:
    """Follow a task to its end: what it waits for, its progress, its text as it comes.

    Parameters
    ----------
    task_id
        The task.
    """
    from api.command.client import Client
    from api.command.following import follow_task

    with Client(remote) as client:
        return follow_task(client, task_id, as_json=remote.json)


def show(task_id: str, /, *, remote: Remote = USUAL) -> int:
    """Show one task: payload, attempts, routing, result.

    Parameters
    ----------
    task_id
        The task.
    """
    from api.command.client import Client
    from api.command.task_view import task_view
    from api.command.waiting import task_path

    with Client(remote) as client:
        task = client.get(task_path(task_id))
    if remote.json:
        print_json(task)
    else:
        console().print(task_view(task))
    return Exit.OK


def cancel(*task_ids: str, remote: Remote = USUAL) -> int:
    """Cancel tasks; exit status 1 if one had ended before.

    Parameters
    ----------
    task_ids
        The tasks.
    """
    answers = list(_asked_for_each(task_ids, "cancel", remote))
    tell(remote, answers, [f"{one['task_id']}: {one['message']}" for one in answers])
    return Exit.OK if all(one["cancelled"] for one in answers) else Exit.FAILED


def retry(*task_ids: str, remote: Remote = USUAL) -> int:
    """Run failed or cancelled tasks again.

    Parameters
    ----------
    task_ids
        The tasks.
    """
    answers = list(_asked_for_each(task_ids, "retry", remote))
    tell(remote, answers, [f"{one['task_id']}: {one['message']}" for one in answers])
    return Exit.OK


def _asked_for_each(task_ids: tuple[str, ...], what: str, remote: Remote) -> Iterator[dict[str, object]]:
    from api.command.client import Client
    from api.command.waiting import task_path

    if not task_ids:
        raise CommandFailed(Exit.USAGE, "no task is named.", "Give one or more ids, see vera history.")
    with Client(remote) as client:
        for task_id in task_ids:
            yield client.post(f"{task_path(task_id)}/{what}")
