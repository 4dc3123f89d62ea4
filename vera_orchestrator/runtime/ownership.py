"""Who is in charge of which rows: the lease of this process, and the rows of those that died."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal, OwnerRow, WorkerRow, first_key
from vera_orchestrator.runtime.entry import Group
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker

CACHE_SECONDS = 0.5
logger = logging.getLogger(__name__)


class AliveFile:
    """A file that is locked for as long as its process lives: the kernel drops the lock at its death."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{uuid4().hex}.alive"
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Say that the process no longer owns anything."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    @staticmethod
    def is_locked(path: str) -> bool:
        """Whether the process of an alive file lives."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class Ownership:
    """The owner number of this process, its row keys, and the news of other owners.

    `taken_over` is called after rows of a dead owner have been given up, and when the first other owner is seen; `lost`
    when this owner itself was removed.
    """

    def __init__(
        self,
        journal: Journal,
        settings: OrchestratorConfig,
        *,
        taken_over: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._taken_over = taken_over
        self._lost = lost
        self._host = socket.gethostname()
        self._alive: AliveFile | None = None
        self._keys = itertools.count()
        self._others: Sequence[OwnerRow] = ()
        self._elsewhere: tuple[float, Sequence[WorkerRow]] = (0.0, ())
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.number = 0

    @property
    def has_others(self) -> bool:
        """Whether another owner was alive at the last look."""
        return bool(self._others)

    def new_key(self) -> int:
        """Return a row key that nobody else has."""
        return next(self._keys)

    async def join(self) -> None:
        """Become an owner, and bury those that are dead."""
        self._alive = await asyncio.to_thread(AliveFile, self._settings.home / "owners")
        self.number = await self._journal.join(
            host=self._host,
            pid=os.getpid(),
            alive_file=str(self._alive.path),
            lease_until=time.time() + self._settings.lease_seconds,
        )
        self._keys = itertools.count(first_key(self.number))
        await self.look()
        self._task = asyncio.create_task(self._keep(), name="vera-lease")

    async def leave(self) -> None:
        """Give up everything that is still this owner's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._alive is not None:
            try:
                await self._journal.remove_owner(self.number)
            finally:
                self._alive.release()
                self._alive = None

    async def look(self) -> None:
        """Read the owners and give up the rows of those that are dead."""
        living: list[OwnerRow] = []
        buried = 0
        for owner in await self._journal.owners():
            if owner.number == self.number:
                continue
            if await asyncio.to_thread(self._is_dead, owner):
                released = await self._journal.remove_owner(owner.number)
                logger.info("owner %d (pid %d on %s) is dead; it had %d tasks", *_facts(owner), released)
                buried += 1
            else:
                living.append(owner)
        joined = bool(living) and not self._others
        self._others = living
        if buried or joined:  # from now on there may be rows that are for others to run
            self._taken_over()

    async def announce(self, workers: Sequence[BaseWorker]) -> None:
        """Let other owners know what can be run here."""
        rows = [
            WorkerRow(owner=self.number, worker_id=worker.worker_id, capabilities=worker.capabilities)
            for worker in workers
        ]
        await self._journal.set_workers(self.number, rows)

    async def fits_elsewhere(self, group: Group) -> bool:
        """Whether another living owner has a worker for a group."""
        asked = time.monotonic()
        async with self._reading:
            at, rows = self._elsewhere
            if asked - at < CACHE_SECONDS and _fits(group, rows):
                return True
            if at < asked:  # else somebody has looked while this one waited; a "no" must be news
                await self.look()
                living = {owner.number for owner in self._others}
                rows = [row for row in await self._journal.workers() if row.owner in living] if living else []
                self._elsewhere = (time.monotonic(), rows)
            return _fits(group, rows)

    def _is_dead(self, owner: OwnerRow) -> bool:
        if owner.host == self._host and owner.alive_file is not None and not AliveFile.is_locked(owner.alive_file):
            Path(owner.alive_file).unlink(missing_ok=True)
            return True
        return owner.lease_until < time.time()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_renew_seconds)
            try:
                if not await self._journal.renew(self.number, time.time() + self._settings.lease_seconds):
                    logger.warning("this owner was given up for dead by another; its tasks are no longer its own")
                    self._lost()
                    return
                await self.look()
            except JournalUnavailable as error:
                logger.warning("the lease could not be renewed: %s", error)


def _fits(group: Group, rows: Sequence[WorkerRow]) -> bool:
    return any(group.capabilities <= row.capabilities and group.pinned in (None, row.worker_id) for row in rows)


def _facts(owner: OwnerRow) -> tuple[int, int, str]:
    return owner.number, owner.pid, owner.host
