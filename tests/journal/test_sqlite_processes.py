"""Several processes on one SQLite file, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.journal.processes import only_open, take_slots, write, write_on
from vera_orchestrator.journal.base import HistoryQuery, first_key
from vera_orchestrator.journal.factory import make_journal

ROOT = Path(__file__).parents[2]

Process = subprocess.Popen[str]
Start = Callable[[Callable[..., object], int], Process]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
def start(url: str) -> Generator[Start]:
    """Give a function that starts a program and returns when it is ready to open the journal."""
    processes: list[Process] = []

    def run(program: Callable[..., object], number: int) -> Process:
        command = [sys.executable, "-m", "tests.journal.processes", program.__name__, url, str(number)]
        process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def go(processes: list[Process]) -> None:
    """Let all of them begin at once."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def acknowledged(process: Process) -> list[int]:
    """Return what a process says until its end."""
    output, _ = process.communicate()
    return [int(line) for line in output.split("\n")[:-1]]  # a line cut short by its end was not acknowledged


async def test_what_was_acknowledged_survives_kill_9(start: Start, url: str) -> None:
    process = start(write_on, 1)
    go([process])
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(300)]
    process.kill()
    seen += acknowledged(process)

    journal = make_journal(url)
    await journal.open()
    rows = await journal.rows(seen)
    await journal.close()

    assert len(seen) >= 300
    assert {key: rows[key].result for key in seen if key in rows} == {key: str(key) for key in seen}


async def test_two_processes_write_at_the_same_time(start: Start, url: str) -> None:
    processes = [start(write, 1), start(write, 2)]
    go(processes)

    said = [acknowledged(process) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert [len(keys) for keys in said] == [1_000, 1_000]
    journal = make_journal(url)
    await journal.open()
    written = {row.key for row in journal.history(HistoryQuery(limit=5_000))}
    await journal.close()
    assert written == {first_key(number) + place for number in (1, 2) for place in range(1_000)}


def test_processes_that_open_a_new_file_at_once_all_succeed(start: Start) -> None:
    processes = [start(only_open, number) for number in range(4)]
    go(processes)

    assert [acknowledged(process) for process in processes] == [[0], [1], [2], [3]]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]


def test_processes_together_do_not_pass_a_limit(start: Start) -> None:
    processes = [start(take_slots, 1), start(take_slots, 2)]
    go(processes)

    said = [acknowledged(process) for process in processes]

    assert sum(len(keys) for keys in said) == 5
    assert [process.returncode for process in processes] == [0, 0]
