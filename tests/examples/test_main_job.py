"""The main job that `make run` starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from examples.main_job import SOURCES, main_job
from vera_orchestrator.graph import check_graph

ROOT = Path(__file__).parents[2]


def test_it_runs_to_its_end_and_writes_the_report(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.main_job"],
        cwd=ROOT,
        env={**os.environ, "VERA_HOME": str(tmp_path / "state"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "/runs/flow-run/" in done.stdout
    report = (tmp_path / "reports" / "report.md").read_text()
    assert str(tmp_path / "reports" / "report.md") in done.stdout.replace("\n", "")
    steps = [f"{step} {name}" for step in ("read", "summarise") for name in SOURCES]
    for step in steps:
        assert step in done.stdout
    if shutil.which("bwrap"):
        assert done.stdout.count("completed") >= len(steps) + 2
        assert "entries" in report


def test_without_a_sandbox_the_code_steps_are_left_out_and_the_rest_is_a_graph() -> None:
    tasks = main_job("http://127.0.0.1:1/api", with_code=False)
    assert {str(task.type) for task in tasks} == {"api_request", "tool_call"}
    check_graph({task.id: task.depends_on for task in tasks})


def test_the_last_task_depends_on_all_others() -> None:
    *others, last = main_job("http://127.0.0.1:1/api", with_code=True)
    assert set(last.depends_on) == {task.id for task in others}
