"""`vera run` and `vera batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from api.command.exits import CommandFailed, Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json, tell

batch = App(name="batch", help="Batches: list, show, cancel, retry.")


def run(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    wait: Annotated[bool, Parameter(help="Wait for its end.", negative="--no-wait", show_default=True)] = True,
    remote: Remote = USUAL,
) -> int:
    """Run the batch in a file and show how it goes on; exit status 1 if it does not succeed.

    Parameters
    ----------
    file
        YAML or JSON with the fields of POST /batches, or "-" for standard input.
    """
    from api.command.batch_file import read_batch
    from api.command.client import Client

    body = read_batch(str(file))
    with Client(remote) as client:
        accepted = client.post("/batches", body)
        if wait:
            from api.command.batch_progress import batch_to_its_end

            return batch_to_its_end(client, accepted["batch_id"], as_json=remote.json)
    tell(remote, accepted, [accepted["batch_id"]])
    return Exit.OK


@batch.command(name="list")
def list_batches(
    *,
    limit: Annotated[int, Parameter(help="How many.", show_default=True)] = 20,
    cursor: Annotated[str | None, Parameter(help="Go on where an earlier answer ended.")] = None,
    remote: Remote = USUAL,
) -> int:
    """List batches, newest first."""
    from api.command.batch_view import batches_view
    from api.command.client import Client

    with Client(remote) as client:
        found = client.get("/batches", limit=limit, cursor=cursor)
    if remote.json:
        print_json(found)
        return Exit.OK
    console().print(batches_view(found["batches"]) if found["batches"] else "There is no batch.")
    if found.get("next_cursor"):
        console().print(f"There are more: --cursor {found['next_cursor']}", soft_wrap=True, markup=False)
    return Exit.OK


@batch.command
def show(
    batch_id: str,
    /,
    *,
    follow: Annotated[bool, Parameter(help="Show how it goes on until it ends.")] = False,
    remote: Remote = USUAL,
) -> int:
    """Show a batch and its tasks.

    Parameters
    ----------
    batch_id
        The batch.
    """
    from api.command.batch_progress import batch_to_its_end
    from api.command.batch_view import batch_view
    from api.command.client import Client

    with Client(remote) as client:
        if follow:
            return batch_to_its_end(client, batch_id, as_json=remote.json)
        found = client.get(batch_path(batch_id))
    if remote.json:
        print_json(found)
    else:
        console().print(batch_view(found))
    return Exit.OK


@batch.command
def cancel(batch_id: str, /, *, remote: Remote = USUAL) -> int:
    """Cancel what has not ended of a batch; exit status 1 if it had ended before.

    Parameters
    ----------
    batch_id
        The batch.
    """
    from api.command.client import Client

    with Client(remote) as client:
        answer = client.post(f"{batch_path(batch_id)}/cancel")
    tell(remote, answer, [answer["message"]])
    return Exit.OK if answer["cancelled"] else Exit.FAILED


@batch.command
def retry(
    batch_id: str,
    /,
    *,
    wait: Annotated[bool, Parameter(help="Wait for its end.")] = False,
    remote: Remote = USUAL,
) -> int:
    """Run what has not succeeded of a batch again; exit status 4 if there is nothing to retry.

    Parameters
    ----------
    batch_id
        The batch.
    """
    from api.command.batch_progress import batch_to_its_end
    from api.command.client import Client

    with Client(remote) as client:
        answer = client.post(f"{batch_path(batch_id)}/retry")
        if not answer["task_ids"]:
            raise CommandFailed(Exit.REFUSED, answer["message"])
        if wait:
            return batch_to_its_end(client, answer["batch_id"], as_json=remote.json)
    tell(remote, answer, [answer["message"]])
    return Exit.OK


def batch_path(batch_id: str) -> str:
    """Return the path of a batch, whose id may be any text."""
    return f"/batches/{quote(batch_id, safe='')}"
