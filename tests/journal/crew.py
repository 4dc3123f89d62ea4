"""Processes that a test gives orders to; see `processes`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journal.processes import DONE

ROOT = Path(__file__).parents[2]


class Member:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.journal.processes"]
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, program: Callable[..., object], url: str, number: int) -> None:
        """Let it begin with a program."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{program.__name__} {url} {number}\n")
        self.process.stdin.flush()

    def said(self) -> list[int]:
        """Return what it says until the program is done, or until it has been killed."""
        assert self.process.stdout is not None
        found: list[int] = []
        for line in self.process.stdout:
            if line == f"{DONE}\n":
                return found
            if line.endswith("\n"):  # a line cut short by its end was not acknowledged
                found.append(int(line))
        return found

    def next(self) -> int:
        """Return the next number that it says."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()

    def end(self) -> None:
        """Kill it and leave nothing behind."""
        self.process.kill()
        self.process.communicate()


class Crew:
    """Several processes, kept from test to test, as each takes a while to start."""

    def __init__(self) -> None:
        self._members: list[Member] = []

    def run(self, program: Callable[..., object], url: str, *numbers: int) -> list[list[int]]:
        """Let as many processes as there are numbers run a program at once; return what each has said."""
        while len(self._members) < len(numbers):
            self._members.append(Member())
        pairs = list(zip(self._members, numbers, strict=False))
        for member, number in pairs:
            member.order(program, url, number)
        return [member.said() for member, _ in pairs]

    def end(self) -> None:
        """Kill them."""
        for member in self._members:
            member.end()
