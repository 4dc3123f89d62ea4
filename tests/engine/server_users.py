"""Processes that use the embedded server, and waiting for processes to end, without sleeping."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from vera_orchestrator.engine.server_folder import ServerFolder, ServerState

ROOT = Path(__file__).parents[2]
PROGRAM_SECONDS = 200.0

USER = """
import asyncio, json, sys
from pathlib import Path
from vera_orchestrator.engine.server import EmbeddedServer

async def use():
    server = EmbeddedServer(Path(sys.argv[1]), retention_days=7, start_seconds=180)
    address = await server.acquire()
    print(json.dumps({"api_url": address.api_url, "auth_string": address.auth_string}), flush=True)
    sys.stdin.read()

asyncio.run(use())
"""


class UserProcess:
    """A process that holds the server of a state folder until it is killed."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address: dict[str, str] = json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> UserProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


async def ended(program: str, *arguments: str) -> tuple[int, str, str]:
    """Run a program to its end and return its exit code, output and errors; none is left that takes too long."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PROGRAM_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


class Watch:
    """Sees the end of a process that need not be a child; made while the process lives."""

    def __init__(self, pid: int | None) -> None:
        assert pid is not None
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self, *, within: float) -> bool:
        """Wait for the end for so many seconds; return whether it came."""
        readable, _, _ = select.select([self._descriptor], [], [], within)
        if readable:
            os.close(self._descriptor)
        return bool(readable)


def state_of(home: Path) -> ServerState:
    state = ServerFolder.of(home).read_state()
    assert state is not None
    return state


@contextmanager
def stopped(home: Path) -> Generator[None]:
    """Let the server of a state folder answer nothing."""
    pid = state_of(home).server_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
