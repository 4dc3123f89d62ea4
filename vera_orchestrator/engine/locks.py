"""Locks between processes that the kernel drops when their holder dies, however it dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
import weakref
from collections.abc import Callable
from pathlib import Path


class FileLock:
    """One hold on a lock file, from `shared`, `exclusive`, `try_shared` or `try_exclusive` until `release`.

    The hold belongs to this process alone: programs that it starts do not inherit it, and a fork lets go of its copy.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.register_at_fork(after_in_child=_releaser(self))

    @classmethod
    def shared(cls, path: Path) -> FileLock:
        """Wait until nobody holds the file exclusively; blocks the thread."""
        return cls(_locked(path, fcntl.LOCK_SH))

    @classmethod
    def exclusive(cls, path: Path) -> FileLock:
        """Wait until nobody holds the file; blocks the thread."""
        return cls(_locked(path, fcntl.LOCK_EX))

    @classmethod
    def try_shared(cls, path: Path) -> FileLock | None:
        """Return a shared hold, or None if somebody holds the file exclusively."""
        try:
            return cls(_locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB))
        except BlockingIOError:
            return None

    @classmethod
    def try_exclusive(cls, path: Path) -> FileLock | None:
        """Return an exclusive hold, or None if somebody holds the file."""
        try:
            return cls(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            return None

    def release(self) -> None:
        """Let go; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


async def hold_shared(path: Path) -> FileLock:
    """Take a shared hold without blocking the event loop. A cancelled call holds nothing in the end."""
    if (hold := FileLock.try_shared(path)) is not None:
        return hold
    waiting = asyncio.get_running_loop().run_in_executor(None, FileLock.shared, path)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        waiting.add_done_callback(_release_late)
        raise


def is_held(path: Path) -> bool:
    """Return whether somebody holds the file exclusively."""
    try:
        os.close(_locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def _locked(path: Path, mode: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _releaser(lock: FileLock) -> Callable[[], None]:
    reference = weakref.ref(lock)

    def let_go() -> None:
        # Closing the copy leaves the parent's hold as it is; unlocking it would not.
        if (hold := reference()) is not None:
            hold.release()

    return let_go


def _release_late(waiting: asyncio.Future[FileLock]) -> None:
    if not waiting.cancelled() and waiting.exception() is None:
        waiting.result().release()
