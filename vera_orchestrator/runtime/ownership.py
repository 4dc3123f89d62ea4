"""Who is in charge of which rows: the lease of this process, and the rows of those that died."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from uuid import uuid4

from vera_orchestrator.errors import JournalUnavailable, NotConfigured
from vera_orchestrator.journal.base import Journal, first_key
from vera_orchestrator.journal.records import OwnerRow, WorkerRow
from vera_orchestrator.runtime.entry import Group
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import REACHABLE, BaseWorker

CACHE_SECONDS = 0.5
LATE_RENEWALS = 2.5
"""How many times the pause between two renewals may pass before they count as interrupted."""

logger = logging.getLogger(__name__)


class AliveFile:
    """A file that is locked for as long as its process lives: the kernel drops the lock at its death."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{uuid4().hex}.alive"
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self, *, keep: bool = False) -> None:
        """Say that the process no longer owns anything; with `keep` the file stays, unlocked, as that of a dead one."""
        if not keep:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    @staticmethod
    def is_locked(path: str) -> bool | None:
        """Whether the process of an alive file lives; None if there is no such file here. Raises OSError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
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
    when this owner itself was removed. Where `is_scoped` is set, this process runs nothing for others, so they are not
    told of its workers; neither are they while it is draining. `is_uncertain` is set when it is not known whether rows
    became this owner's, because the journal could not answer.
    """

    def __init__(
        self,
        journal: Journal,
        settings: OrchestratorConfig,
        *,
        seal: str,
        taken_over: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._seal = seal
        self._taken_over = taken_over
        self._lost = lost
        self._host = socket.gethostname()
        self._alive: AliveFile | None = None
        self._keys = itertools.count()
        self._others: Sequence[OwnerRow] = ()
        self._elsewhere: tuple[float, Sequence[WorkerRow]] = (0.0, ())
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._steady_since = 0.0
        self._renewed = 0.0
        self._arriving: Counter[int] = Counter()
        self.number = 0
        self.is_scoped = False
        self.is_draining = False
        self.is_uncertain = False

    @property
    def has_others(self) -> bool:
        """Whether another owner was alive at the last look."""
        return bool(self._others)

    def new_key(self) -> int:
        """Return a row key that nobody else has."""
        return next(self._keys)

    def be_uncertain(self) -> None:
        """Say that rows may be this owner's that it does not know, so that somebody looks for them."""
        self.is_uncertain = True
        self._taken_over()

    @contextlib.contextmanager
    def arriving(self, keys: Collection[int]) -> Generator[None]:
        """Say which rows are changing hands, so that nobody takes them for forgotten ones."""
        self._arriving.update(keys)
        try:
            yield
        except (JournalUnavailable, asyncio.CancelledError):  # it may have been written all the same
            self.be_uncertain()
            raise
        finally:
            self._arriving.subtract(keys)
            self._arriving = +self._arriving

    def is_arriving(self, key: int) -> bool:
        """Whether a row is changing hands."""
        return key in self._arriving

    @property
    def has_arrivals(self) -> bool:
        """Whether any rows are changing hands."""
        return bool(self._arriving)

    async def join(self) -> None:
        """Become an owner, and bury those that are dead.

        Raises NotConfigured where another living owner seals secrets with another key: neither could run the other's
        tasks.
        """
        alive = await asyncio.to_thread(AliveFile, self._settings.home / "owners")
        try:
            self.number = await self._journal.join(
                host=self._host,
                pid=os.getpid(),
                alive_file=str(alive.path),
                lease_seconds=self._settings.lease_seconds,
                seal=self._seal,
            )
        except BaseException:
            alive.release()
            raise
        self._alive = alive
        self._keys = itertools.count(first_key(self.number))
        # who has just joined does not know whether the journal was away, and gives others the time to come back to it
        self._steady_since = self._renewed = time.monotonic()
        await self.look()
        self._check_seal()
        self._task = asyncio.create_task(self._keep(), name="vera-lease")

    def _check_seal(self) -> None:
        for other in self._others:
            if other.lease_left > 0 and other.seal not in (None, self._seal):
                raise NotConfigured(
                    f"the orchestrator on {other.host} (pid {other.pid}) seals secrets with another key.",
                    field="seal_key",
                    remedy="Give all orchestrators on one journal the same seal_key (VERA_SEAL_KEY), or the same file "
                    "seal.key in their state folders.",
                )

    async def leave(self) -> None:
        """Give up everything that is still this owner's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._alive is not None:
            alive, self._alive = self._alive, None
            removed = False
            try:
                await self._journal.remove_owner(self.number)
                removed = True
            finally:  # the file of an owner that could not be removed tells others that it is dead
                alive.release(keep=not removed)

    def begin_anew(self) -> None:
        """Become another owner soon: a write has shown, before the next renewal could, that this one was removed."""
        self._lost()

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
            WorkerRow(
                owner=self.number,
                worker_id=worker.worker_id,
                capabilities=worker.capabilities,
                reachable=worker.status in REACHABLE,
            )
            for worker in workers
            if not (self.is_scoped or self.is_draining)
        ]
        await self._journal.set_workers(self.number, rows)

    async def fits_elsewhere(self, group: Group, *, reachable: bool = False) -> bool:
        """Whether another living owner has a worker for a group, with `reachable` one that can be reached."""
        asked = time.monotonic()
        async with self._reading:
            at, rows = self._elsewhere
            if asked - at < CACHE_SECONDS and _fits(group, rows, reachable=reachable):
                return True
            if at < asked:  # else somebody has looked while this one waited; a "no" must be news
                await self.look()
                living = {owner.number for owner in self._others}
                rows = [row for row in await self._journal.workers() if row.owner in living] if living else []
                self._elsewhere = (time.monotonic(), rows)
            return _fits(group, rows, reachable=reachable)

    def _is_dead(self, owner: OwnerRow) -> bool:
        locked = _is_locked(owner.alive_file) if owner.host == self._host and owner.alive_file is not None else None
        if locked is False and owner.alive_file is not None:
            with contextlib.suppress(OSError):
                Path(owner.alive_file).unlink(missing_ok=True)
            return True
        # It lives perhaps, but stands still; when it wakes it writes nothing.
        return owner.lease_left < 0 and self._is_steady()

    def _is_steady(self) -> bool:
        """Whether this owner has renewed its own lease in time for a whole lease: else the journal was away for all."""
        now = time.monotonic()
        is_late = now - self._renewed > LATE_RENEWALS * self._settings.lease_renew_seconds
        return not is_late and now - self._steady_since >= self._settings.lease_seconds

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_renew_seconds)
            try:
                if not await self._journal.renew(self.number, self._settings.lease_seconds):
                    logger.warning("this owner was given up for dead by another; its tasks are no longer its own")
                    self._lost()
                    return
                now = time.monotonic()
                if now - self._renewed > LATE_RENEWALS * self._settings.lease_renew_seconds:
                    self._steady_since = now
                self._renewed = now
                await self.look()
            except JournalUnavailable as error:
                logger.warning("the lease could not be renewed: %s", error)
            except Exception:  # a lease that is no longer renewed would cost this owner all of its tasks
                logger.exception("a round of the lease failed")


def _is_locked(path: str) -> bool | None:
    """Return whether an alive file is locked; None, so that the lease decides, where that cannot be found out.

    A file that is not here may be on the file system of another container with this host's name.
    """
    try:
        return AliveFile.is_locked(path)
    except OSError as error:
        logger.warning("the alive file %s cannot be looked at, its lease decides: %s", path, error)
        return None


def _fits(group: Group, rows: Sequence[WorkerRow], *, reachable: bool) -> bool:
    return any(
        group.capabilities <= row.capabilities and group.pinned in (None, row.worker_id)
        for row in rows
        if row.reachable or not reachable
    )


def _facts(owner: OwnerRow) -> tuple[int, int, str]:
    return owner.number, owner.pid, owner.host
