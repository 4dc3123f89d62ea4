"""Child processes: start them, ask the kernel about them, and stop exactly those."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class ChildFailed(Exception):
    """A child process ended, or did not become ready; the text holds the end of its log."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment without the caller's settings of Prefect, Celery and this project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "VERA_", "CELERY_"))}
    return kept | dict(extra)


class Child:
    """One process in a session of its own, with its standard error (and output, unless piped) in a log file."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> None:
        self.name = name
        self._log = log
        pipe = subprocess.PIPE if piped else None
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or sink,
                stderr=sink,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process, which is also that of its session."""
        return self.process.pid

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Standard input and output of a piped child."""
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError(f"{self.name} was started without pipes.")
        return self.process.stdin, self.process.stdout

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def failed(self, what: str) -> ChildFailed:
        """Return an error that shows the end of the log."""
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])
        return ChildFailed(f"{self.name}: {what} (exit code {self.process.poll()}). The end of its log:\n{tail}")

    def logged(self, text: str) -> bool:
        """Return whether `text` has appeared in the log."""
        return text in self._log.read_text(errors="replace")

    def stop(self, seconds: float = 10) -> None:
        """Ask the process to end, then end its whole session."""
        if not self.ended:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        # the process group outlives its leader where a pool's processes hang
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def session_pids(leader: int) -> list[int]:
    """Return the processes of the session that `leader` began, itself included."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and int(fields[3]) == leader:
                found.append(int(entry.name))
    return found


def processor_seconds(leader: int) -> float:
    """Return the processor time that a session has used so far."""
    stats = [_stat(pid) for pid in session_pids(leader)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats if fields is not None) / _TICKS


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process in MB (10^6 bytes)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def session_mb(leader: int) -> float:
    """Return the memory of a session in MB; pages that processes share are counted once (PSS)."""
    total = 0
    for pid in session_pids(leader):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def settle(leaders: Sequence[int], *, share: float = 0.15, at_most: float = 30) -> float:
    """Wait until these sessions use less than `share` of a processor; return the seconds waited."""
    began = time.monotonic()
    before = sum(processor_seconds(leader) for leader in leaders)
    while time.monotonic() - began < at_most:
        step = time.monotonic()
        time.sleep(0.5)
        now = sum(processor_seconds(leader) for leader in leaders)
        if now - before < share * (time.monotonic() - step):
            break
        before = now
    return time.monotonic() - began


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name (state first), or None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
