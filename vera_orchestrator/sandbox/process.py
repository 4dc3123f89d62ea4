"""One enclosed process: started but held back, limited, let go, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

from vera_orchestrator.sandbox.capture import HeadTail
from vera_orchestrator.sandbox.cgroup import Cgroup
from vera_orchestrator.sandbox.values import FLOOD_FACTOR, Ending

PIPE_CLOSE_SECONDS = 1.0
READ_BYTES = 256 * 1024


class Process:
    """A child process whose output is kept in part.

    `ended` gets the first reason to end it: its own exit, or one set from outside with `end`. It belongs to the loop
    that runs when it is made. It does without asyncio's subprocesses, which start a thread for each to wait in.
    """

    def __init__(self, output_bytes: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Ending] = self.loop.create_future()
        self.out = HeadTail(output_bytes)
        self.err = HeadTail(output_bytes)
        self._flood = output_bytes * FLOOD_FACTOR
        self._closed: asyncio.Future[None] = self.loop.create_future()
        self._exited: asyncio.Future[None] = self.loop.create_future()
        self._child: subprocess.Popen[bytes] | None = None
        self._pipes: set[IO[bytes]] = set()

    def start(
        self,
        argv: Sequence[str],
        *,
        group: Cgroup,
        stdin: int,
        pass_fds: Sequence[int] = (),
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        """Start it in a session of its own, in the groups of version 1 from its birth; raises OSError.

        The kernel ends a child of bubblewrap with the thread that started it, so this must be the loop's own thread.
        """
        with contextlib.ExitStack() as undo:
            with group.births():
                child = subprocess.Popen(
                    argv,
                    bufsize=0,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=tuple(pass_fds),
                    cwd=folder,
                    env=environment or {},
                    start_new_session=True,
                    user=user,
                    group=user,
                    extra_groups=None if user is None else [],
                )
                self._child = undo.enter_context(child)
                undo.callback(self.kill)
            exit_fd = os.pidfd_open(child.pid)
            undo.pop_all()
        self.loop.add_reader(exit_fd, self._exit, exit_fd)
        for pipe, stream in ((child.stdout, self.out), (child.stderr, self.err)):
            assert pipe is not None, "it was asked for"
            os.set_blocking(pipe.fileno(), False)
            self._pipes.add(pipe)
            self.loop.add_reader(pipe, self._read, pipe, stream)

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        return self._live.pid

    @property
    def exit_code(self) -> int:
        """The exit code, 128 + n after signal n."""
        code = self._live.returncode
        assert code is not None, "the process still runs"
        return code if code >= 0 else 128 - code

    def end(self, why: Ending) -> None:
        """Ask for the end; the first reason stays."""
        if not self.ended.done():
            self.ended.set_result(why)

    def kill(self) -> None:
        """Kill its process group; the kernel gives away its id only after the last member has gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until it has exited and its pipes are closed; pipes that somebody else holds open are left."""
        await self._exited
        if not self._closed.done():
            await asyncio.wait({self._closed}, timeout=PIPE_CLOSE_SECONDS)
        for pipe in tuple(self._pipes):
            self._close(pipe)

    @property
    def _live(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "the process was not started"
        return self._child

    def _read(self, pipe: IO[bytes], stream: HeadTail) -> None:
        """Keep what there is room for; end a program that floods."""
        data = cast("bytes | None", pipe.read(READ_BYTES))
        if data is None:  # nothing there after all
            return
        stream.feed(data)
        if stream.seen > self._flood:
            self.end(Ending.FLOODED)
        if not data:
            self._close(pipe)

    def _close(self, pipe: IO[bytes]) -> None:
        self._pipes.remove(pipe)
        self.loop.remove_reader(pipe)
        pipe.close()
        if not self._pipes:
            self._closed.set_result(None)

    def _exit(self, exit_fd: int) -> None:
        self.loop.remove_reader(exit_fd)
        os.close(exit_fd)
        self._live.wait()  # it is a zombie already: this takes its exit code
        self._exited.set_result(None)
        self.end(Ending.EXITED)


class StatusPipe:
    """What bubblewrap tells while it runs: one JSON object a line, first the process id, last the exit code.

    `at_exit` is called when the code is there, when the program has ended and bubblewrap itself is about to.
    """

    def __init__(self, at_exit: Callable[[], None]) -> None:
        self._at_exit = at_exit
        self._loop = asyncio.get_running_loop()
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._text = b""
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._read_end, self._read)

    def close_write_end(self) -> None:
        """Leave the other end to the child alone."""
        os.close(self.write_end)

    async def child_pid(self) -> int | None:
        """Wait for the id of the first process inside; None if bubblewrap ended before."""
        await self._first
        return self._values().get("child-pid")

    def started(self) -> bool:
        """Return whether the program itself was started; to be asked after the end."""
        self._read()
        return "exit-code" in self._values()

    def close(self) -> None:
        """Stop listening."""
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)

    def _values(self) -> dict[str, int]:
        lines = self._text.splitlines() if self._text.endswith(b"\n") else self._text.splitlines()[:-1]
        return {key: value for line in lines for key, value in json.loads(line).items()}

    def _read(self) -> None:
        try:
            while data := os.read(self._read_end, 4096):
                self._text += data
        except BlockingIOError:
            if not self._text.endswith(b"\n"):
                return
        else:
            self._loop.remove_reader(self._read_end)
        if not self._first.done():
            self._first.set_result(None)
        if "exit-code" in self._values():
            self._at_exit()
