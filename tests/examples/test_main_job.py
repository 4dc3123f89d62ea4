"""The main job that `make run` starts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from examples.batches import SOURCES, llm_step, main_job
from examples.display import show_results
from tests.http.server import free_port
from tests.prefect_homes import with_tables
from vera_orchestrator.graph import check_graph

ROOT = Path(__file__).parents[2]
STEPS = [f"{step} {name}" for step in ("read", "summarise") for name in SOURCES]
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run of the program left."""

    code: int
    output: str
    reports: Path


def started(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the program where there is neither an Ollama nor a key of a provider."""
    kept = {name: value for name, value in os.environ.items() if name not in KEYS}
    own = {"VERA_HOME": str(home), "VERA_OLLAMA_URL": f"http://127.0.0.1:{free_port()}", "COLUMNS": "160"}
    kept.pop("VERA_API_KEY", None)
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.main_job", "--port=0", *arguments],
        cwd=ROOT,
        env={**kept, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("main")
    program = started(folder / "state", "--once")  # where nothing is yet, as for who runs it for the first time
    output, _ = program.communicate(timeout=SECONDS)
    return Ran(code=program.returncode, output=output, reports=folder / "reports")


@pytest.fixture
def kept(prefect_tables: Path, tmp_path: Path) -> Generator[subprocess.Popen[str]]:
    program = started(with_tables(tmp_path / "state", prefect_tables))
    yield program
    program.kill()
    program.communicate()


def test_it_runs_to_its_end_and_writes_the_report(ran: Ran) -> None:
    assert ran.code == 0, ran.output
    assert "Traceback" not in ran.output
    assert str(ran.reports / "report.md") in ran.output
    assert [step for step in STEPS if step not in ran.output] == []
    if shutil.which("bwrap"):
        assert ran.output.count("completed") >= len(STEPS) + 2
        assert "entries" in (ran.reports / "report.md").read_text()


def test_it_asks_a_model_and_says_plainly_that_it_is_simulated(ran: Ran) -> None:
    assert re.search(r"Language models: simulated at http://127\.0\.0\.1:\d+, as there is neither", ran.output)
    assert "[simulated] Generate a story" in ran.output
    assert "[simulated] Summarize: [simulated] Generate a story" in ran.output
    assert ran.output.count("llama3.2:latest") == len(llm_step("ollama"))
    assert "0.000000 USD" in ran.output


def test_it_stays_up_with_everything_until_it_is_interrupted(kept: subprocess.Popen[str]) -> None:
    assert kept.stdout is not None
    output = ""
    while "End it with Ctrl-C" not in output:
        line = kept.stdout.readline()
        assert line, output
        output += line
    address = re.search(r"http://\S+/v2/runs/flow-run/[0-9a-f-]{36}", output)
    assert address, output
    assert httpx.get(address[0], headers={"Accept": "text/html"}, trust_env=False).status_code == 200
    dashboard = re.search(r"Dashboard +(http://\S+)", output)
    assert dashboard, output
    assert "text/html" in httpx.get(dashboard[1], trust_env=False).headers["content-type"]
    [batch, *_] = httpx.get(f"{dashboard[1]}api/v2/orchestrator/batches", trust_env=False).json()["batches"]
    assert batch["status"] == "completed"
    kept.send_signal(signal.SIGINT)
    rest, _ = kept.communicate(timeout=SECONDS)
    assert (kept.returncode, rest) == (0, "Ending.\n")


def test_how_to_get_a_sandbox_is_said_once_and_whole_on_a_narrow_screen() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        show_results(console, {"tasks": []}, STEPS[3:5], "apt-get install bubblewrap")
    shown = captured.get()
    assert shown.count("skipped") == 3
    assert shown.count("apt-get install bubblewrap") == 1


def test_without_a_sandbox_the_code_steps_are_left_out_and_the_rest_is_a_graph() -> None:
    tasks = main_job("http://127.0.0.1:1/api", with_code=False)
    assert {task["type"] for task in tasks} == {"api_request", "tool_call"}
    check_graph({task["id"]: task.get("depends_on", []) for task in tasks})


def test_the_llm_step_is_two_prompts_at_a_time_and_a_summary_of_one() -> None:
    tasks = llm_step("openai_api")
    assert {task["id"]: task["depends_on"] for task in tasks} == {"task-1": [], "explain": [], "task-2": ["task-1"]}
    assert all(task["requirements"] == {"worker_capabilities": ["openai_api"]} for task in tasks)


def test_the_last_task_depends_on_all_others() -> None:
    *others, last = main_job("http://127.0.0.1:1/api", with_code=True)
    assert set(last["depends_on"]) == {task["id"] for task in others}
