"""Hears what other processes have written to a PostgreSQL journal, by LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from vera_orchestrator.journal.records import ALL_NEWS, News

CHANNEL = "vera_journal"
QUIET_SECONDS = 5.0
"""How long nothing is heard before the connection is asked whether it lives."""

ANSWER_SECONDS = 5.0
AGAIN_SECONDS = 0.5
logger = logging.getLogger(__name__)


class PostgresListener:
    """Keeps a connection that listens, and makes a new one when it is lost.

    What the process `sender` has written itself is not told.
    """

    def __init__(self, connect: Mapping[str, Any], sender: str, told: Callable[[News], None]) -> None:
        self._connect = connect
        self._sender = sender
        self._told = told
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False

    def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._forever(), name="vera-journal-news")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _forever(self) -> None:
        is_known = False
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if self.is_listening or not is_known:  # say it once, not at each try
                    logger.warning("news of other processes cannot be heard, they are looked for: %s", error)
                is_known = True
            except Exception:  # a fault of ours, or of who is told: who hears nothing more would never know
                logger.exception("news of other processes could not be told, they are looked for")
            finally:
                self.is_listening = False
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await psycopg.AsyncConnection.connect(**self._connect, autocommit=True)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._told(ALL_NEWS)  # whatever was told before
            while True:
                async for notification in connection.notifies(timeout=QUIET_SECONDS):
                    self._hear(notification.payload)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute("SELECT 1")
        finally:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()

    def _hear(self, payload: str) -> None:
        sender, _, number = payload.partition(" ")
        # anybody may notify, and a later version may have more to tell
        if sender != self._sender and re.fullmatch("[0-9]{1,9}", number):
            self._told(News(int(number) & ALL_NEWS.value))
