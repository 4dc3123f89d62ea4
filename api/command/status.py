"""`vera status`: how the server stands."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from api.command.exits import Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json


def status(
    *, watch: Annotated[bool, Parameter(help="Go on showing it until Ctrl-C.")] = False, remote: Remote = USUAL
) -> int:
    """Show tasks, workers, spending and Prefect."""
    from api.command.client import Client

    with Client(remote) as client:
        if watch:
            from api.command.watching import watch_status

            return watch_status(client, as_json=remote.json)
        now = client.get("/status")
        if remote.json:
            print_json(now)
            return Exit.OK
        from api.command.status_view import status_view

        console().print(status_view(client.base_url, now, client.get("/workers/list")["workers"]))
        return Exit.OK
