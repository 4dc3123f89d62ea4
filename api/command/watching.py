"""`vera status --watch`: the status as the server pushes it."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from typing import Any

from rich.live import Live
from rich.text import Text
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from api.command.client import START, Client
from api.command.exits import CommandFailed, Exit
from api.command.output import console, print_json_line
from api.command.status_view import status_view

AGAIN_SECONDS = 1.0
WORKERS_SECONDS = 3.0
LARGEST_MESSAGE = 16_000_000


def watch_status(client: Client, *, as_json: bool) -> int:
    """Show the status until Ctrl-C; a lost connection is said and sought again. Raises CommandFailed for a refusal."""
    if as_json:
        for status in statuses(client):
            print_json_line(status if status is not None else {"error": {"detail": "the connection is lost"}})
        return Exit.OK
    workers: list[dict[str, Any]] = []
    read_at = float("-inf")
    with Live(console=console(), auto_refresh=False, screen=False) as live:
        for status in statuses(client):
            if status is None:
                live.update(Text(f"● lost: {client.base_url} does not answer; trying again.", "bold red"), refresh=True)
                read_at = float("-inf")
                continue
            if time.monotonic() - read_at > WORKERS_SECONDS:
                workers, read_at = client.get("/workers/list")["workers"], time.monotonic()
            live.update(status_view(client.base_url, status, workers), refresh=True)
    return Exit.OK


def statuses(client: Client) -> Generator[dict[str, Any] | None]:
    """Yield each status that the server pushes, for ever; None each time it cannot be reached after that."""
    was_connected = False
    while True:
        try:
            with connect(
                f"ws{client.base_url.removeprefix('http')}/ws/status",
                additional_headers=client.headers,
                max_size=LARGEST_MESSAGE,
            ) as socket:
                was_connected = True
                for message in socket:
                    yield json.loads(message)
        except InvalidStatus as error:
            raise _refused(error, client) from error
        except (OSError, WebSocketException) as error:
            if not was_connected:
                raise CommandFailed(Exit.UNREACHABLE, f"No server answers at {client.base_url}.", START) from error
        yield None
        time.sleep(AGAIN_SECONDS)


def _refused(error: InvalidStatus, client: Client) -> CommandFailed:
    try:
        problem = json.loads(error.response.body or b"")
        return CommandFailed(Exit.REFUSED, problem["detail"], problem.get("remedy"), problem=problem)
    except (ValueError, KeyError, TypeError):
        return CommandFailed(Exit.REFUSED, f"{client.base_url} answers {error.response.status_code}.", START)
