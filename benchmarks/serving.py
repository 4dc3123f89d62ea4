"""The driver's side of a station: commands in as JSON lines, answers out as JSON lines.

Standard library only: it also runs in the peers' environments.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Handler = Callable[..., Awaitable[dict[str, Any]]]


async def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer commands until standard input ends or the command is `quit`.

    A line is `{"do": NAME, …arguments}`; the answer is what the handler returned. An exception ends the driver, with
    its traceback on standard error.
    """
    # prints of a library would otherwise land between the answers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    while line := await asyncio.to_thread(sys.stdin.readline):
        arguments: dict[str, Any] = json.loads(line)
        name = arguments.pop("do")
        answer = await handlers[name](**arguments) if name in handlers else {}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if name == "quit":
            break
