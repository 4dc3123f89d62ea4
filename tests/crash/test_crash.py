"""A process that is killed loses nothing that it acknowledged."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Timer

import pytest

from tests.crash.program import CONCURRENCY
from tests.prefect_homes import with_tables

pytestmark = pytest.mark.flaky(reruns=0)  # a promise that is broken once is broken

ROOT = Path(__file__).parents[2]


def program(command: str, home: Path, prefect: str, count: int, seconds: float) -> list[str]:
    return [sys.executable, "-m", "tests.crash.program", command, str(home), prefect, str(count), str(seconds)]


def submit_until_killed(home: Path, prefect: str, count: int, seconds: float, kill_after: float) -> list[str]:
    """Return the ids that were acknowledged by a process that is killed some time after it began to submit."""
    process = subprocess.Popen(
        program("submit", home, prefect, count, seconds), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        timer = Timer(kill_after, process.kill)
        timer.start()
        acknowledged = process.stdout.read().split()
        timer.cancel()
    assert process.returncode == -9
    return [task_id for task_id in acknowledged if task_id.startswith("task-")]


def check_nothing_is_lost(home: Path, prefect: str, seed: int, count: int = 3_000, seconds: float = 0.05) -> None:
    kill_after = random.Random(seed).uniform(0.05, 1.5 + count * seconds / CONCURRENCY)
    acknowledged = submit_until_killed(home, prefect, count, seconds, kill_after)
    subprocess.run(program("resume", home, prefect, count, seconds), cwd=ROOT, check=True, timeout=400)

    executions = Counter((home / "executions").read_text().split())
    with sqlite3.connect(home / "journal.db") as journal:
        statuses = dict(journal.execute("SELECT id, status FROM tasks").fetchall())
        rows = journal.execute("SELECT count(*) FROM tasks").fetchone()[0]
    journal.close()
    assert set(acknowledged) <= set(statuses), f"seed {seed}: lost"
    assert set(statuses.values()) <= {"completed"}, f"seed {seed}: {Counter(statuses.values())}"
    assert rows == len(statuses), f"seed {seed}: a task has two rows"
    assert set(executions) == set(statuses), f"seed {seed}: the counts disagree"
    assert max(executions.values(), default=1) <= 2, f"seed {seed}: a task ran three times"
    assert sum(runs == 2 for runs in executions.values()) <= CONCURRENCY, f"seed {seed}: more than those in flight"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_every_acknowledged_task_ends_once_after_a_kill(tmp_path: Path, seed: int) -> None:
    check_nothing_is_lost(tmp_path, "off", seed)


def test_the_same_holds_with_prefect(tmp_path: Path, prefect_tables: Path) -> None:
    check_nothing_is_lost(with_tables(tmp_path, prefect_tables), "embedded", 3, count=1_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_twenty_kills(tmp_path: Path, seed: int) -> None:
    check_nothing_is_lost(tmp_path, "embedded", seed)
