"""The processes, and what they say."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypeVar

from tests.limits.orders import COUNT, GO, STOP, Ended, Gone, Message, Order, Ready, Said, Waiting
from tests.support import PATIENCE

MessageT = TypeVar("MessageT", bound=Message)
ROOT = Path(__file__).parents[2]
START_SECONDS = 3 * PATIENCE
"""For all processes at once, each of which imports much."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class Member:
    """One process; what it says goes to `said`, with the process's id; None when it has ended."""

    def __init__(self, said: queue.Queue[tuple[int, Said | None]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.limits.program"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name.lower() not in PROXIES},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._said = said
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it, and come back when it is gone."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # what it has not read any more
            self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):  # its end may cut one short
                self._said.put((self.pid, Said.model_validate_json(line)))
        self._said.put((self.pid, None))


class Crew:
    """Several processes, kept from test to test, as each takes seconds to start."""

    def __init__(self) -> None:
        self._said: queue.Queue[tuple[int, Said | None]] = queue.Queue()
        self._idle: list[Member] = []
        self._busy: dict[int, Member] = {}

    def begin(self, order: Order, number: int) -> Ready:
        """Let so many processes get their orchestrators ready; return what one call reserves."""
        while len(self._idle) < number:
            self._idle.append(Member(self._said))
        for member in [self._idle.pop() for _ in range(number)]:
            self._busy[member.pid] = member
            member.tell(order.model_dump_json())
        ready = [self._next(Ready, START_SECONDS) for _ in range(number)]
        assert len(set(ready)) == 1
        return ready[0]

    def go(self) -> None:
        """Let all submit their tasks."""
        self._tell(GO)

    def one_completed(self) -> None:
        """Wait until the next task has completed; fails where one has failed, or if nothing ends for long."""
        ended = self._next(Ended)
        assert ended.error is None, ended

    def waiting(self) -> list[Waiting]:
        """Return what became of the tasks of each, once none runs."""
        self._tell(COUNT)
        return [self._next(Waiting) for _ in self._busy]

    def kill(self, pid: int) -> None:
        """Kill one."""
        self._busy.pop(pid).kill()

    def stop(self) -> None:
        """Let all stop their orchestrators, and be ready for another order; all are killed if one does not."""
        try:
            self._tell(STOP)
            for _ in self._busy:
                while not isinstance(self._any(), Gone):
                    pass  # what has ended meanwhile
            self._idle += self._busy.values()
            self._busy.clear()
        except (AssertionError, BrokenPipeError, queue.Empty):  # or another test would hear of this one
            self.dismiss()
            raise

    def dismiss(self) -> None:
        """Kill all."""
        for member in (*self._idle, *self._busy.values()):
            member.kill()
        self._idle.clear()
        self._busy.clear()

    def _tell(self, line: str) -> None:
        for member in self._busy.values():
            member.tell(line)

    def _next(self, kind: type[MessageT], seconds: float = PATIENCE) -> MessageT:
        message = self._any(seconds)
        assert isinstance(message, kind), message
        return message

    def _any(self, seconds: float = PATIENCE) -> Message:
        while True:
            pid, said = self._said.get(timeout=seconds)
            if pid in self._busy:  # and not killed since
                assert said is not None, "a process has ended by itself"
                return said.body
