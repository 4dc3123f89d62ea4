"""How a batch goes on, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rich.live import Live

from api.command.batch_view import batch_view
from api.command.client import Client
from api.command.exits import Exit
from api.command.output import console, error_console, print_json
from api.command.waiting import FINAL

LOOK_SECONDS = 0.15
SHARE_OF_TIME = 0.1
"""Share of the time that the server spends on answering: a large batch is looked at less often."""
HEAD_LINES = 6


def batch_to_its_end(client: Client, batch_id: str, *, as_json: bool) -> int:
    """Show a batch until it has ended and return the exit status by its outcome; it goes on if this is broken off."""
    try:
        batch = _shown(client, batch_id)
    except KeyboardInterrupt:
        error_console().print(
            f"The batch goes on. See vera batch show {batch_id}, or vera batch cancel {batch_id}.", soft_wrap=True
        )
        return Exit.INTERRUPTED
    if as_json:
        print_json(batch)
    else:
        console().print(batch_view(batch))
    return Exit.OK if batch["status"] == "completed" else Exit.FAILED


def _shown(client: Client, batch_id: str) -> Mapping[str, Any]:
    path = f"/batches/{quote(batch_id, safe='')}"
    beside = error_console()
    with Live(console=beside, transient=True, auto_refresh=False) as live:
        while True:
            asked = time.monotonic()
            batch = client.get(path, brief="true")
            if batch["status"] in FINAL:
                return client.get(path)
            if beside.is_terminal:
                live.update(batch_view(batch, most_rows=max(beside.height - HEAD_LINES, 1)), refresh=True)
            spent = time.monotonic() - asked
            time.sleep(max(LOOK_SECONDS, spent / SHARE_OF_TIME))
