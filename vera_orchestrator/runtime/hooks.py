"""Calls of the user's functions. What they raise is logged and harms nobody."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import Any

from vera_orchestrator.models import Hook

PATIENCE_SECONDS = 5.0
logger = logging.getLogger(__name__)


class HookCaller:
    """Calls hooks, sync or async. An async one that takes longer than PATIENCE_SECONDS goes on in the background."""

    def __init__(self) -> None:
        self._background: set[asyncio.Future[Any]] = set()

    async def call(self, hook: Hook, *arguments: object) -> None:
        """Call one hook and wait for it."""
        try:
            returned = hook(*arguments)
        except Exception:  # a user's function may raise anything
            logger.exception("hook %s failed", _name(hook))
            return
        if inspect.isawaitable(returned):
            await self._finish(hook, returned)

    async def _finish(self, hook: Hook, returned: Awaitable[Any]) -> None:
        future = asyncio.ensure_future(returned)
        self._background.add(future)
        future.add_done_callback(lambda ended: self._ended(hook, ended))
        await asyncio.wait({future}, timeout=PATIENCE_SECONDS)

    def _ended(self, hook: Hook, future: asyncio.Future[Any]) -> None:
        self._background.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.error("hook %s failed", _name(hook), exc_info=error)


def _name(hook: Hook) -> str:
    return getattr(hook, "__qualname__", repr(hook))
