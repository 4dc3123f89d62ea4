"""Bounds processes and memory by control groups, where this process may make some.

A group is made only beneath a hierarchy's visible root, and only if this process lives in that root: any other group
belongs to whoever put the process there (systemd, a container engine), which keeps books on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

PREFIX = "vera-sandbox"


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """A mounted hierarchy in whose root this process lives: its folder, its version (1 or 2) and what it bounds."""

    root: Path
    version: int
    controllers: frozenset[str]


def own_hierarchies(membership: str, mounts: str) -> Iterator[Hierarchy]:
    """Read /proc/self/cgroup and /proc/self/mountinfo; for version 2 the controllers are not known yet."""
    homes: dict[str, str] = {}
    for line in membership.splitlines():
        _, names, path = line.split(":", 2)
        homes.update(dict.fromkeys(names.split(","), path))
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        _, _, _, mount_root, mount_point, *_ = before.split(" ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" and homes.get("") == mount_root:
            yield Hierarchy(root=Path(mount_point), version=2, controllers=frozenset())
        elif kind == "cgroup":
            names = frozenset(options.split(",")) & {"pids", "memory"}
            ours = frozenset(name for name in names if homes.get(name) == mount_root)
            if ours:
                yield Hierarchy(root=Path(mount_point), version=1, controllers=ours)


class Cgroup:
    """The groups of one run: the folder in each hierarchy."""

    def __init__(self, folders: list[tuple[Hierarchy, Path]]) -> None:
        self.folders = folders

    @contextlib.contextmanager
    def births(self) -> Generator[None]:
        """While it lasts, what this thread starts is born in the groups of version 1.

        The thread itself goes in and out, for which the kernel takes 20 microseconds, as it need not stop the whole
        system from forking; moving a process takes 10 milliseconds. Start no thread meanwhile: it would stay in.
        """
        threads = [(hierarchy.root, folder) for hierarchy, folder in self.folders if hierarchy.version == 1]
        with contextlib.ExitStack() as back:
            for root, folder in threads:
                back.callback(_enter, root)
                _enter(folder)
            yield

    @property
    def joinable(self) -> bool:
        """Whether there are groups of version 2, which take whole processes only: they have to join."""
        return any(hierarchy.version == 2 for hierarchy, _ in self.folders)

    def join(self, *pids: int) -> None:
        """Move processes into the groups of version 2; what they start from then on is in, too.

        The kernel takes 10 ms for the first, 20 at most, and next to nothing for others: not for an event loop.
        """
        for hierarchy, folder in self.folders:
            if hierarchy.version == 2:
                for pid in pids:
                    _write(folder / "cgroup.procs", str(pid))

    def processes(self) -> set[int]:
        """Return the ids of the processes in it, never this one's."""
        found = {int(pid) for _, folder in self.folders for pid in _read(folder / "cgroup.procs").split()}
        return found - {os.getpid()}

    def kill(self) -> None:
        """Kill every process in it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def out_of_memory(self) -> bool | None:
        """Return whether the kernel killed a process for its memory; None where memory is not bounded here."""
        for hierarchy, folder in self.folders:
            if "memory" in hierarchy.controllers:
                events = folder / ("memory.oom_control" if hierarchy.version == 1 else "memory.events")
                counts = dict(line.split(" ", 1) for line in events.read_text().splitlines())
                return int(counts.get("oom_kill", 0)) > 0
        return None

    def remove(self) -> bool:
        """Remove the groups; return False if a process is still in one."""
        try:
            for _, folder in self.folders:
                if folder.exists():
                    folder.rmdir()
        except OSError:
            return False
        return True


class Cgroups:
    """Makes groups in the hierarchies that were found to work."""

    def __init__(self, hierarchies: list[Hierarchy]) -> None:
        self.hierarchies = hierarchies
        self._numbers = count(1)
        # Process ids mean something only beside the namespace they were given in.
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
        self.scope = f"{PREFIX}-{namespace}"

    @classmethod
    def find(cls) -> Cgroups:
        """Return what can be used here, after trying it, without the leftovers of processes that are gone."""
        found = own_hierarchies(_read(Path("/proc/self/cgroup")), _read(Path("/proc/self/mountinfo")))
        usable = [hierarchy for hierarchy in map(_with_controllers, found) if hierarchy.controllers]
        cgroups = cls([hierarchy for hierarchy in usable if os.access(hierarchy.root, os.W_OK)])
        cgroups.sweep()
        try:
            cgroups.create(memory_mb=64, processes=8).remove()
        except OSError:
            return cls([])
        return cgroups

    def bounds(self, controller: str) -> bool:
        """Return whether `pids` or `memory` is bounded."""
        return any(controller in hierarchy.controllers for hierarchy in self.hierarchies)

    def create(self, *, memory_mb: int, processes: int) -> Cgroup:
        """Make the groups of one run; raises OSError, having removed what it made."""
        name = f"{self.scope}-{os.getpid()}-{next(self._numbers)}"
        folders: list[tuple[Hierarchy, Path]] = []
        group = Cgroup(folders)
        try:
            for hierarchy in self.hierarchies:
                folder = hierarchy.root / name
                folder.mkdir()
                folders.append((hierarchy, folder))
                _limit(hierarchy, folder, memory_mb * 2**20, processes)
        except OSError:
            group.remove()
            raise
        return group

    def sweep(self) -> None:
        """Remove the groups of processes of this namespace that are gone; the kernel keeps those that are in use."""
        for hierarchy in self.hierarchies:
            for folder in hierarchy.root.glob(f"{self.scope}-*-*"):
                pid = folder.name.split("-")[-2]
                if not Path("/proc", pid).exists():
                    Cgroup([(hierarchy, folder)]).remove()


def _enter(folder: Path) -> None:
    _write(folder / "tasks", "0")  # 0 is the thread that writes


def _limit(hierarchy: Hierarchy, folder: Path, memory: int, processes: int) -> None:
    if "pids" in hierarchy.controllers:
        _write(folder / "pids.max", str(processes))
    if "memory" not in hierarchy.controllers:
        return
    memory_file, swap_file, swap = (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", memory)
        if hierarchy.version == 1
        else ("memory.max", "memory.swap.max", 0)
    )
    _write(folder / memory_file, str(memory))
    if (folder / swap_file).exists():  # absent where the kernel keeps no books on swap
        _write(folder / swap_file, str(swap))


def _with_controllers(hierarchy: Hierarchy) -> Hierarchy:
    """Return the hierarchy with what its groups can bound; version 2 has to be told to pass controllers down."""
    if hierarchy.version == 1:
        return hierarchy
    wanted = {"pids", "memory"} & set(_read(hierarchy.root / "cgroup.controllers").split())
    switch = hierarchy.root / "cgroup.subtree_control"
    enabled = set(_read(switch).split())
    if missing := wanted - enabled:
        try:
            _write(switch, " ".join(f"+{name}" for name in sorted(missing)))
        except OSError:  # the kernel refuses it where the root itself holds processes, as in most containers
            wanted &= enabled
    return Hierarchy(root=hierarchy.root, version=2, controllers=frozenset(wanted))


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)  # a file object takes longer to make than the kernel takes to write
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
