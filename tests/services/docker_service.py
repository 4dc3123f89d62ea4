"""Docker Engine for the Docker tests, with neither a bridge nor firewall rules."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.services.errors import ServiceFailed
from tests.services.processes import Process
from tests.services.service import Note
from tests.services.state import Record
from tests.services.waiting import wait_until_it_answers
from vera_orchestrator.errors import WorkerUnavailable
from vera_orchestrator.workers.docker_engine import Containers

VARIABLE = "DOCKER_HOST"
DEFAULT = "/var/run/docker.sock"
UNIX = "unix://"
# the path of a socket has 107 bytes at most, and the engine makes some with long names
LONGEST = 50


class DockerService:
    """An engine with all its files in the state folder; one that answers already is used instead."""

    name = "docker"
    title = "Docker Engine"
    programs: tuple[str, ...] = ("dockerd",)

    def given(self) -> str | None:
        named = os.environ.get(VARIABLE)
        try:
            Containers().check()
        except WorkerUnavailable:
            if named:
                raise ServiceFailed(f"no Docker answers at {named}, which DOCKER_HOST names: unset it") from None
            return None
        return named or f"{UNIX}{DEFAULT}"

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        if os.geteuid() != 0:
            if Path(DEFAULT).exists() and not os.access(DEFAULT, os.R_OK | os.W_OK):
                raise ServiceFailed(f"you may not use {DEFAULT}: add yourself to the group docker, and log in again")
            raise ServiceFailed("only root can start it: start yours (systemctl start docker), or set DOCKER_HOST")
        folder.mkdir(parents=True, exist_ok=True)
        if before is not None:
            self.stop(folder, before)  # it does not answer
        _end_containerd(folder)  # before the note of its id goes
        run = _short(folder / "run")
        log, place = folder / "log", run / "docker.sock"
        log.unlink(missing_ok=True)
        for stale in ("dockerd.pid", "exec/containerd/containerd.pid"):
            (run / stale).unlink(missing_ok=True)  # of a killed one, whose id may live on as a zombie
        roots = ["--data-root", str(folder / "data"), "--exec-root", str(run / "exec")]
        address = ["--host", f"{UNIX}{place}", "--pidfile", str(run / "dockerd.pid")]
        no_network = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        process = Process.spawned(["dockerd", *roots, *address, *no_network], log)
        record = Record.of(process, f"{UNIX}{place}")
        note(record)
        wait_until_it_answers(process, lambda: _answers(place), log=log, seconds=60)
        return record

    def answers(self, record: Record) -> bool:
        return _answers(Path(record.url.removeprefix(UNIX)))

    def found(self, folder: Path) -> Record | None:
        del folder
        return None

    def stop(self, folder: Path, record: Record) -> None:
        containerd = _containerd(folder / "run")
        record.process.end(within=20)
        if containerd is not None:  # a killed engine leaves it behind
            containerd.end(within=10)
        _unmount(folder)

    def remove(self, folder: Path) -> None:
        if folder.exists():
            _unmount(folder)
            shutil.rmtree((folder / "run").resolve(), ignore_errors=True)  # it may be a link
            shutil.rmtree(folder)


def _answers(place: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(5)
            door.connect(str(place))
            door.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in door.recv(100)
    except OSError:
        return False


def _containerd(run: Path) -> Process | None:
    """Return the helper that an engine with this folder started, if it lives."""
    try:
        process = Process.of(int((run / "exec/containerd/containerd.pid").read_text()))
        command = Path(f"/proc/{process.pid}/cmdline").read_text() if process is not None else ""
    except (OSError, ValueError):
        return None
    return process if str(run.resolve()) in command else None


def _end_containerd(folder: Path) -> None:
    process = _containerd(folder / "run")
    if process is not None:
        process.end(within=10)


def _unmount(folder: Path) -> None:
    """Undo what an engine mounted below its folder, the folder of its data not least, which would be in use."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed(mounted):
        if Path(place).is_relative_to(folder.resolve()) or Path(place).is_relative_to((folder / "run").resolve()):
            subprocess.run(["umount", place], capture_output=True, check=False)


def _short(folder: Path) -> Path:
    """Make the folder, as a link to one in /tmp if its path is too long for the sockets in it, and return its place."""
    if folder.is_symlink() and not folder.exists():
        folder.unlink()
    if not folder.exists():
        if len(str(folder)) > LONGEST:
            folder.symlink_to(tempfile.mkdtemp(prefix="vera-docker-", dir="/tmp"))
        else:
            folder.mkdir(mode=0o700)
    return folder.resolve()
