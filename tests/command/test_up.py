"""The server as a process: up, status, down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from api.command import main
from api.command.exits import Exit
from tests.http.server import free_port
from tests.support import PATIENCE

Vera = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A state folder whose servers have neither Prefect nor Docker nor Ollama, and are ended with the test."""
    own = {"HOME": str(tmp_path / "home"), "PREFECT": "off", "DOCKER_POOL_SIZE": "0"}
    own["OLLAMA_URL"] = f"http://127.0.0.1:{free_port()}"
    for name, value in own.items():
        monkeypatch.setenv(f"VERA_{name}", value)
    yield tmp_path / "home"
    main(["down", "--now"])


@pytest.fixture
def vera(home: Path, capsys: pytest.CaptureFixture[str]) -> Vera:
    def run(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_detached_it_can_be_asked_and_ended_from_elsewhere(vera: Vera, home: Path) -> None:
    code, output = vera("up", "--detach", "--port", "0", "--json")
    assert code == Exit.OK, output
    record = json.loads(output)
    assert (record["ready"], record["log"]) == (True, str(home / "server.log"))
    code, output = vera("status", "--json")
    assert (code, json.loads(output)["is_running"]) == (Exit.OK, True)
    for more in ([], ["--detach"]):
        code, output = vera("up", "--port", "0", *more)
        assert (code, str(record["pid"]) in output) == (Exit.REFUSED, True)
    code, output = vera("down", "--json")
    assert (code, json.loads(output)) == (Exit.OK, {"stopped": True, "pid": record["pid"]})
    code, output = vera("down")
    assert (code, output) == (Exit.OK, f"No server runs on {home}.\n")


def test_in_the_foreground_it_says_what_is_where_and_ends_cleanly(home: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-u", "-m", "api.command", "up", "--port", "0"],
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert program.stdout is not None
    output = ""
    while "End it with Ctrl-C" not in output:
        line = program.stdout.readline()
        assert line, output
        output += line
    for words in ("/api/v2/orchestrator", "/docs", "journal.db", "Prefect UI", "tools", "Ollama does not answer"):
        assert words in output
    program.send_signal(signal.SIGINT)
    rest, _ = program.communicate(timeout=PATIENCE)
    assert (program.returncode, rest) == (Exit.OK, "Ending.\n")


def test_detached_it_tells_why_it_could_not_start(vera: Vera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_ROUTING", "luck")
    code, output = vera("up", "--detach", "--port", "0")
    assert (code, "VERA_ROUTING" in output) == (Exit.USAGE, True)
    assert "It ended while it was starting" in output
    assert "Traceback" not in output
