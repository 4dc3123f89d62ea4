"""The wish to end, as signals bring it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from api.command.exits import Exit

Result = TypeVar("Result")


class Ended(Exception):
    """The end was asked for before something was done."""


class Ending:
    """Becomes true with the first SIGINT or SIGTERM; with the second one the process ends where it stands.

    Nothing is lost by that: what runs is begun again by the next start. `at_once` is called before.
    """

    def __init__(self, at_once: Callable[[], None]) -> None:
        self._asked = asyncio.Event()
        self._at_once = at_once
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    async def wait(self) -> None:
        """Wait until the end is asked for."""
        await self._asked.wait()

    async def or_result(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine does; raises Ended, after cancelling it, if the end is asked for first."""
        doing = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({doing, asked}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise Ended
        finally:
            for one in (doing, asked):
                one.cancel()
            await asyncio.wait({doing, asked})

    def _signal(self) -> None:
        if self._asked.is_set():
            self._at_once()
            os._exit(Exit.INTERRUPTED)
        self._asked.set()
