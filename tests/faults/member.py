"""One orchestrator under test, from outside: a process that is started, paused, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from tests.faults.program import Arguments
from tests.faults.record import EventKind, Record

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180.0
STOP_SECONDS = 90.0


class NotReady(Exception):
    """A process has ended before it ran, or takes too long; the text holds the end of what it wrote."""


class Member:
    """The processes of one name, one at a time. `ready` and `loaded` are what the current one has said."""

    def __init__(self, arguments: Arguments, output: Path, record: Record) -> None:
        self.arguments = arguments
        self.ready = asyncio.Event()
        self.loaded = asyncio.Event()
        self.exits: list[int] = []
        self._output = output
        self._record = record
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The id of the current process."""
        assert self._process is not None
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start a process; it is `ready` later."""
        self.ready.clear()
        self.loaded.clear()
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.program"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                cwd=ROOT,
            )
        assert self._process.stdin is not None
        # not as arguments of the process, which everybody can read: the address holds the password
        self._process.stdin.write(orjson.dumps(asdict(self.arguments)) + b"\n")
        self._listening = asyncio.create_task(self._listen(self._process))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        words = {b"ready": self.ready, b"loaded": self.loaded}
        async for line in process.stdout:
            words[line.strip()].set()

    async def until_ready(self) -> None:
        """Wait until the process runs; raises NotReady."""
        assert self._process is not None
        waits = {asyncio.create_task(self.ready.wait()), asyncio.create_task(self._process.wait())}
        await asyncio.wait(waits, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not self.ready.is_set():
            raise NotReady(f"{self.arguments.name} is not ready: {self._output.read_text()[-400:]}")

    def begin(self, at: float) -> None:
        """Tell the process when the load begins, or began, on the steady clock."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{at}\n".encode())

    def pause(self) -> None:
        """Stop all threads."""
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """Let them go on; nothing if it runs or has ended."""
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill the process, and write down that it is dead."""
        self._send(signal.SIGKILL)
        await self._ended()

    async def stop(self) -> bool:
        """Stop it gracefully; False, and it is killed, if that takes too long."""
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._ended()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def _ended(self) -> None:
        process = self._process
        assert process is not None and self._listening is not None
        code = await process.wait()
        self._record.note(EventKind.DIED, victim=process.pid, code=code)
        self.exits.append(code)
        await self._listening
        assert process.stdin is not None
        process.stdin.close()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
