"""`vera down`: ends the server of this state folder."""

from __future__ import annotations

import os
import signal
import time
from typing import Annotated

from cyclopts import Parameter

from api.command.exits import CommandFailed, Exit
from api.command.options import PLAIN, Output, home_folder
from api.command.output import console, print_json

LOOK_SECONDS = 0.05


def down(
    *,
    now: Annotated[
        bool, Parameter(help="Do not let running tasks end; they are begun again by the next start.")
    ] = False,
    wait_seconds: Annotated[float, Parameter(help="How long to wait for its end.")] = 60,
    output: Output = PLAIN,
) -> int:
    """End the server that runs on VERA_HOME, and wait until it has ended."""
    from api.command.record import ServerFile, birth_of

    file = ServerFile(home_folder())
    record = file.living()
    if record is None:
        _say(output, f"No server runs on {file.home}.", pid=None, stopped=False)
        return Exit.OK
    for number in (signal.SIGTERM, signal.SIGINT) if now else (signal.SIGTERM,):
        os.kill(record.pid, number)
    deadline = time.monotonic() + wait_seconds
    while birth_of(record.pid) == record.born:
        if time.monotonic() > deadline:
            raise CommandFailed(
                Exit.FAILED,
                f"The server (pid {record.pid}) has not ended within {wait_seconds:g} s; its tasks go on.",
                "Wait, or end it with vera down --now.",
            )
        time.sleep(LOOK_SECONDS)
    _say(output, f"The server at {record.url} (pid {record.pid}) has ended.", pid=record.pid, stopped=True)
    return Exit.OK


def _say(output: Output, words: str, *, pid: int | None, stopped: bool) -> None:
    if output.json:
        print_json({"stopped": stopped, "pid": pid})
    else:
        console().print(words, soft_wrap=True)
