"""Per-process limits, and a watch over the memory of a whole tree of processes."""

from __future__ import annotations

import asyncio
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from vera_orchestrator.sandbox.values import SandboxProgram

OPEN_FILES = 256
LOOK_SECONDS = 0.1
NAMES = {
    resource.RLIMIT_CORE: "core",
    resource.RLIMIT_CPU: "cpu",
    resource.RLIMIT_FSIZE: "fsize",
    resource.RLIMIT_NOFILE: "nofile",
    resource.RLIMIT_AS: "as",
    resource.RLIMIT_NPROC: "nproc",
}
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """What no control group bounds, so that limits of each process have to."""

    memory: bool
    processes: bool


def set_limits(pid: int, program: SandboxProgram, gaps: Gaps) -> None:
    """Limit a process of this user, and all that it will start; raises OSError."""
    for kind, limit in _limits(program, gaps).items():
        resource.prlimit(pid, kind, (limit, limit))


def limiting_command(program: SandboxProgram, gaps: Gaps) -> tuple[str, ...]:
    """Return the program's command behind one that sets the limits, for a process of another user."""
    options = [f"--{NAMES[kind]}={limit}" for kind, limit in _limits(program, gaps).items()]
    return ("/usr/bin/prlimit", *options, "--", *program.argv)


def _limits(program: SandboxProgram, gaps: Gaps) -> dict[int, int]:
    """Return the limits, none above those of this process, which nobody could set.

    The kernel counts the processes of a user (of its user namespace from Linux 5.14 on), and never those of root.
    """
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: program.cpu_seconds,
        resource.RLIMIT_FSIZE: program.scratch_mb * 2**20,
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    if gaps.memory:
        wanted[resource.RLIMIT_AS] = program.memory_mb * 2**20
    if gaps.processes:
        wanted[resource.RLIMIT_NPROC] = program.processes
    return {kind: _at_most(limit, resource.getrlimit(kind)[1]) for kind, limit in wanted.items()}


def _at_most(limit: int, hard: int) -> int:
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


async def watch_memory(pid: int, limit: int) -> None:
    """Return when the process and its descendants use more than `limit` bytes together; else go on for ever.

    For hosts without a memory group: each process is bounded by its address space, and this bounds their sum. It looks
    ten times a second, so that the sum may pass the limit for a moment.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(_uses_more, pid, limit):
            return


def _uses_more(pid: int, limit: int) -> bool:
    tree = descendants(pid)
    # Resident pages count shared ones for each process; the exact share takes longer to get.
    return sum(map(_resident, tree)) > limit and sum(map(_share, tree)) > limit


def descendants(pid: int) -> list[int]:
    """Return the process and all that it started, directly or not, as far as they still live."""
    found = [pid]
    for parent in found:
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
            for thread in threads:
                found += [int(child) for child in (thread / "children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def _share(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return _resident(pid)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
