"""The sandbox: finds out how programs can be enclosed here, and runs them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import Self

from vera_orchestrator.errors import NotConfigured, TaskFailed
from vera_orchestrator.sandbox.cgroup import Cgroup, Cgroups
from vera_orchestrator.sandbox.enclosure import Bubblewrap, Enclosed, Unprotected, bubblewrap_user
from vera_orchestrator.sandbox.layout import host_layout, interpreters
from vera_orchestrator.sandbox.limits import watch_memory
from vera_orchestrator.sandbox.values import Ending, SandboxOutcome, SandboxProgram
from vera_orchestrator.settings import OrchestratorConfig, SandboxMode

REMOVE_TRIES = 50
INSTALL = "Install bubblewrap: apt-get install bubblewrap (dnf, pacman and apk have it under the same name)."
ALLOW = (
    "Let this user make user namespaces: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, give it --security-opt seccomp=unconfined."
)


class Sandbox:
    """Runs programs with nothing of the host but its system folders, read-only, and Python's standard library.

    Inside: no network, no capabilities, user 65534, a root that cannot be written to, /tmp of bounded size, and bounded
    memory, processes, processor time and output. Memory and processes are bounded by control groups where there are
    any; elsewhere by the limits of each process, a watch over the sum of their memory, and the kernel's count of the
    user's processes. With mode NONE, which only an operator chooses, the program is a plain process with those limits.

    `bwrap` is the program to use (None: the one on PATH). `hidden` folders are shown to no program, whatever it may see
    otherwise. `cgroups` replaces the control groups that are found.
    """

    def __init__(
        self,
        mode: SandboxMode = SandboxMode.BUBBLEWRAP,
        *,
        bwrap: Path | None = None,
        hidden: tuple[Path, ...] = (),
        cgroups: Cgroups | None = None,
    ) -> None:
        self.mode = mode
        self._bwrap = bwrap
        self._hidden = hidden
        self._cgroups = cgroups
        self._enclosure: Bubblewrap | Unprotected | None = None
        self._runs: set[asyncio.Task[SandboxOutcome]] = set()

    @classmethod
    def from_settings(cls, settings: OrchestratorConfig) -> Self:
        """Return the sandbox that the settings ask for; it never shows the state folder."""
        return cls(settings.sandbox, hidden=(settings.home,))

    @property
    def python(self) -> Path:
        """The Python to run inside; known after a successful probe."""
        assert self._enclosure is not None, "probe() has not succeeded yet"
        return self._enclosure.python.program

    async def probe(self) -> NotConfigured | None:
        """Return what is missing, or None; found out by a real run, and kept once it has succeeded."""
        if self._enclosure is not None:
            return None
        cgroups = self._cgroups or await asyncio.to_thread(Cgroups.find)
        if self.mode is SandboxMode.NONE:
            self._enclosure = Unprotected(python=interpreters()[0], cgroups=cgroups)
            return None
        found = shutil.which(self._bwrap or "bwrap")
        if found is None:
            return NotConfigured("The program bwrap is missing.", field="sandbox", remedy=INSTALL)
        failures: list[str] = []
        for python in interpreters():
            for disable_userns in (True, False):  # versions before 0.8 do not know the option
                candidate = Bubblewrap(
                    path=Path(found),
                    python=python,
                    layout=host_layout(python),
                    cgroups=cgroups,
                    user=bubblewrap_user(cgroups),
                    hidden=self._hidden,
                    disable_userns=disable_userns,
                )
                failure = await self._try(candidate)
                if failure is None:
                    self._enclosure = candidate
                    return None
                failures.append(failure)
                if "disable-userns" not in failure:
                    break
        return NotConfigured(f"bwrap cannot run a program here: {failures[0]}.", field="sandbox", remedy=ALLOW)

    async def run(self, program: SandboxProgram) -> SandboxOutcome:
        """Run a program to its end, whatever that is.

        Raises NotConfigured where there is no sandbox and TaskFailed where it did not start. A program that is
        cancelled is gone, with all that it started, before CancelledError is raised.
        """
        missing = await self.probe()
        if missing or self._enclosure is None:
            raise missing or NotConfigured("There is no sandbox.", remedy=INSTALL)
        return await self._guarded(self._enclosure, program)

    async def _guarded(self, enclosure: Bubblewrap | Unprotected, program: SandboxProgram) -> SandboxOutcome:
        """Run in a task of its own, which ends and cleans up in its own time when the caller is cancelled."""
        stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run = asyncio.create_task(_run(enclosure, program, stop))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            if not stop.done():
                stop.set_result(None)
            await asyncio.wait({run})
            if not run.cancelled():
                run.exception()  # looked at, as nobody else will
            raise

    async def _try(self, candidate: Bubblewrap) -> str | None:
        argv = (str(candidate.python.program), "-I", "-S", "-c", "pass")
        try:
            outcome = await self._guarded(candidate, SandboxProgram(argv=argv, timeout=30))
        except TaskFailed as error:
            return error.message
        return None if outcome.exit_code == 0 else outcome.stderr.strip() or f"exit code {outcome.exit_code}"


async def _run(
    enclosure: Bubblewrap | Unprotected, program: SandboxProgram, stop: asyncio.Future[None]
) -> SandboxOutcome:
    began = time.monotonic()
    cgroups = enclosure.cgroups
    try:
        group = cgroups.create(memory_mb=program.memory_mb, processes=program.processes + enclosure.own_processes)
    except OSError as error:
        raise TaskFailed(f"The sandbox did not start: {error}") from error
    try:
        with contextlib.ExitStack() as files:
            enclosed = await enclosure.start(program, group, files)
            ending = await _until_the_end(enclosed, program, stop, watched=not cgroups.bounds("memory"))
            if ending is Ending.EXITED:
                enclosed.check()
            process = enclosed.process
            of_memory = group.out_of_memory()
            return SandboxOutcome(
                exit_code=process.exit_code,
                stdout=process.out.text(),
                stderr=process.err.text(),
                stdout_dropped=process.out.dropped,
                stderr_dropped=process.err.dropped,
                ending=Ending.OUT_OF_MEMORY if of_memory else ending,
                out_of_memory=True if ending is Ending.OUT_OF_MEMORY else of_memory,
                duration=time.monotonic() - began,
            )
    finally:
        await _remove(group)


async def _until_the_end(
    enclosed: Enclosed, program: SandboxProgram, stop: asyncio.Future[None], *, watched: bool
) -> Ending:
    """Wait for the first reason to end, then see to it that nothing of the program is left."""
    process, loop = enclosed.process, asyncio.get_running_loop()
    stop.add_done_callback(lambda _: process.end(Ending.STOPPED))
    timer = None if program.timeout is None else loop.call_later(program.timeout, process.end, Ending.TIMED_OUT)
    watch = asyncio.create_task(watch_memory(enclosed.root_pid, program.memory_mb * 2**20)) if watched else None
    if watch:
        watch.add_done_callback(lambda done: None if done.cancelled() else process.end(Ending.OUT_OF_MEMORY))
    try:
        return await process.ended
    finally:
        if timer:
            timer.cancel()
        if watch:
            watch.cancel()
        enclosed.kill()
        await enclosed.gone()


async def _remove(group: Cgroup) -> None:
    """Remove the groups; a process that was killed may take a moment to leave them, and may have started another."""
    for _ in range(REMOVE_TRIES):
        if group.remove():
            return
        group.kill()
        await asyncio.sleep(0.01)
