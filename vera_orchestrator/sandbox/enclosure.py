"""Starts a program inside bubblewrap, or beside it where the operator chose so."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from vera_orchestrator.errors import NotConfigured, TaskFailed
from vera_orchestrator.sandbox.cgroup import Cgroup, Cgroups
from vera_orchestrator.sandbox.command import NOBODY, PASSWD, bubblewrap_command
from vera_orchestrator.sandbox.layout import Interpreter, Layout
from vera_orchestrator.sandbox.limits import Gaps, limiting_command, set_limits
from vera_orchestrator.sandbox.process import Process, StatusPipe
from vera_orchestrator.sandbox.values import BASE_ENVIRONMENT, WORK_FOLDER, Ending, SandboxProgram, as_bytes

START_SECONDS = 10.0
HELD_SHELL = 'read -r go && stdin=$1 && shift && exec "$@" <"$stdin"'


@dataclass(frozen=True, kw_only=True)
class Enclosed:
    """A program that runs: its process, and the first of its processes, with whose end nothing of it lives on.

    `namespace` is a descriptor of the first process in the sandbox's own process namespace, -1 where there is none.
    """

    process: Process
    root_pid: int
    group: Cgroup
    status: StatusPipe | None = None
    namespace: int = -1

    def kill(self) -> None:
        """Kill it and all that it started."""
        if self.namespace < 0:
            self.process.kill()
            self.group.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.namespace, signal.SIGKILL)  # the kernel ends the rest of the namespace

    async def gone(self) -> None:
        """Wait until nothing of it is left: bubblewrap itself may end before the programs inside do."""
        await self.process.gone()
        if self.namespace < 0:
            return
        await _readable(self.namespace)
        _reap(self.root_pid)

    def check(self) -> None:
        """Raise TaskFailed if bubblewrap failed before the program was started."""
        if self.status and not self.status.started():
            text = self.process.err.text().strip() or f"exit code {self.process.exit_code}"
            raise _failure(text)


@dataclass(frozen=True, kw_only=True)
class Bubblewrap:
    """How bubblewrap is used on this host: which one, with which Python, as which user, with which groups.

    `layout` is the part of the host that it shows, which does not change while this process lives. `user` is the host's
    user that runs it (None: this process's own); `hidden` folders are shown to no program.
    """

    own_processes: ClassVar[int] = 2
    """Bubblewrap's own in a group: one outside, which waits for the other, the first one inside."""

    path: Path
    python: Interpreter
    layout: Layout
    cgroups: Cgroups
    user: int | None = None
    hidden: tuple[Path, ...] = ()
    disable_userns: bool = True

    async def start(self, program: SandboxProgram, group: Cgroup, files: contextlib.ExitStack) -> Enclosed:
        """Start the program with its limits in place; raises TaskFailed where bubblewrap does not."""
        gaps = Gaps(memory=not self.cgroups.bounds("memory"), processes=not self.cgroups.bounds("pids"))
        if self.user is not None:  # another user's processes are not ours to limit
            program = replace(program, argv=limiting_command(program, gaps))
        process = Process(program.output_bytes)
        status = StatusPipe(lambda: process.end(Ending.EXITED))
        files.callback(status.close)
        block_read, block_write = os.pipe()
        files.callback(os.close, block_write)
        with contextlib.ExitStack() as ours:
            ours.callback(status.close_write_end)
            ours.callback(os.close, block_read)
            placed = {f"{WORK_FOLDER}/{name}": content for name, content in program.files.items()}
            descriptors = {
                name: ours.enter_context(sealed(as_bytes(content, name)))
                for name, content in (placed | {"/etc/passwd": PASSWD}).items()
            }
            stdin = ours.enter_context(sealed(as_bytes(program.stdin, "stdin")))
            command = bubblewrap_command(
                self.path,
                program,
                self.layout.covering(self.hidden),
                files=descriptors,
                status_fd=status.write_end,
                block_fd=block_read,
                disable_userns=self.disable_userns,
                covered=_covered(program, self.hidden),
            )
            inherited = [*descriptors.values(), status.write_end, block_read]
            process.start(command, group=group, stdin=stdin, pass_fds=inherited, user=self.user)
        namespace = -1
        async with _or_killed(process):
            async with asyncio.timeout(START_SECONDS):
                pid = await status.child_pid()
            if pid is not None:
                namespace = os.pidfd_open(pid)
                files.callback(os.close, namespace)
                if group.joinable:
                    await asyncio.to_thread(group.join, process.pid, pid)
                if self.user is None:
                    set_limits(pid, program, gaps)
                os.write(block_write, b"\n")
        root_pid = pid or process.pid
        return Enclosed(process=process, root_pid=root_pid, group=group, status=status, namespace=namespace)


@dataclass(frozen=True, kw_only=True)
class Unprotected:
    """Runs programs as plain processes of this user, in a folder that is removed afterwards.

    Without control groups a process that started a session of its own may outlive its program.
    """

    own_processes: ClassVar[int] = 1
    """The thread of this process that is in the group while it starts the program."""

    python: Interpreter
    cgroups: Cgroups

    async def start(self, program: SandboxProgram, group: Cgroup, files: contextlib.ExitStack) -> Enclosed:
        """Start the program; raises TaskFailed, and NotConfigured for paths that differ inside and outside."""
        binds = [*program.read_only.items(), *([program.writable] if program.writable else [])]
        if any(str(source) != name for source, name in binds):
            raise NotConfigured("A program of this kind needs a real sandbox.", remedy="Set sandbox to 'bubblewrap'.")
        root = Path(tempfile.mkdtemp(prefix="vera-sandbox-"))
        files.callback(shutil.rmtree, root, ignore_errors=True)
        work = root / "work"
        for name, content in program.files.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(as_bytes(content, name))
        work.mkdir(exist_ok=True)
        stdin = root / "stdin"
        stdin.write_bytes(as_bytes(program.stdin, "stdin"))
        hold_read, hold_write = os.pipe()
        files.callback(os.close, hold_write)
        process = Process(program.output_bytes)
        with contextlib.ExitStack() as ours:
            ours.callback(os.close, hold_read)
            process.start(
                ["/bin/sh", "-c", HELD_SHELL, "sandbox", str(stdin), *program.argv],
                group=group,
                stdin=hold_read,
                folder=work if program.folder == WORK_FOLDER else Path(program.folder),
                environment=BASE_ENVIRONMENT | {"HOME": str(work)} | dict(program.environment),
            )
        async with _or_killed(process):
            if group.joinable:
                await asyncio.to_thread(group.join, process.pid)
            # The kernel would count the user's other processes, too.
            set_limits(process.pid, program, Gaps(memory=not self.cgroups.bounds("memory"), processes=False))
            os.write(hold_write, b"\n")
        return Enclosed(process=process, root_pid=process.pid, group=group)


def _reap(pid: int) -> None:
    """Clear away a dead process that this one inherited, which happens to a container's first process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _failure(reason: object) -> TaskFailed:
    return TaskFailed(f"The sandbox did not start: {reason}")


@contextlib.asynccontextmanager
async def _or_killed(process: Process) -> AsyncGenerator[None]:
    """Kill a process that is still held back when something fails, before the end of its pipe lets it go."""
    try:
        yield
    except BaseException as error:
        process.kill()
        await process.gone()
        if isinstance(error, OSError):  # a timeout is one, too
            raise _failure(process.err.text().strip() or repr(error)) from error
        raise


@contextlib.contextmanager
def sealed(content: bytes) -> Generator[int]:
    """Give a descriptor, to be read from its start, of a file in memory that nobody can change."""
    descriptor = os.memfd_create("vera", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        yield descriptor
    finally:
        os.close(descriptor)


def _covered(program: SandboxProgram, hidden: tuple[Path, ...]) -> tuple[Path, ...]:
    binds = [*program.read_only.items(), *([program.writable] if program.writable else [])]
    return tuple(
        Path(name, path.relative_to(source))
        for path in hidden
        for source, name in binds
        if path.is_relative_to(source) and path.is_dir()
    )


def bubblewrap_user(cgroups: Cgroups) -> int | None:
    """Return the user to run bubblewrap as: the kernel does not count root's processes, so it is nobody then."""
    return NOBODY if os.geteuid() == 0 and not cgroups.bounds("pids") else None
