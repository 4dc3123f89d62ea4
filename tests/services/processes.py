"""Processes that outlive the one that started them, known by id and start time, so that a reused id harms nobody."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STATE, PARENT, STARTED = 0, 1, 19  # fields of /proc/PID/stat after the name (man 5 proc)


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of this machine."""

    pid: int
    started: int
    """When it started, in clock ticks since boot."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this id now; None if there is none, or only a zombie."""
        fields = _stat(pid)
        if fields is None or fields[STATE] in "ZX":
            return None
        return cls(pid=pid, started=int(fields[STARTED]))

    @property
    def lives(self) -> bool:
        """Whether this very process runs."""
        return Process.of(self.pid) == self

    @property
    def command(self) -> list[str] | None:
        """Its program and arguments; None if it has ended, or may not be looked at."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return [os.fsdecode(word) for word in words[:-1]] if self.lives else None

    @classmethod
    def spawned(cls, command: list[str], log: Path) -> Process:
        """Start a program that stays when this process ends; what it says is added to the log.

        It has a session of its own, so that an interrupt of the terminal is not for it. Raises OSError.
        """
        output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), output, (os.POSIX_SPAWN_DUP2, 1, 2)]
        default = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]  # a shell's background job ignores some
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions, setsid=True, setsigdef=default)
        fields = _stat(pid)  # there even if it has ended already, until it is waited for
        if fields is None:
            raise ChildProcessError(f"{command[0]} is not there: see {log}")
        return cls(pid=pid, started=int(fields[STARTED]))

    def children(self) -> list[Process]:
        """Return its children that run now."""
        found = [(int(entry.name), _stat(int(entry.name))) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        pids = [pid for pid, fields in found if fields is not None and int(fields[PARENT]) == self.pid]
        return [child for pid in pids if (child := Process.of(pid)) is not None]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process; nothing happens if it has ended."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.lives:  # the handle keeps the id from being given to another one
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def ended(self, within: float) -> bool:
        """Return whether it ends within so many seconds; comes back as soon as it does."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return not self.lives or bool(poll.poll(within * 1000))
        finally:
            os.close(handle)
            with suppress(ChildProcessError):  # it may be our own child: leave no zombie
                os.waitpid(self.pid, os.WNOHANG)

    def end(self, within: float) -> None:
        """Ask it to end, and kill it if it has not after so many seconds."""
        self.send(signal.SIGTERM)
        if not self.ended(within):
            self.kill()

    def kill(self) -> None:
        """Kill it, and come back when it is gone."""
        self.send(signal.SIGKILL)
        self.ended(within=30)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
