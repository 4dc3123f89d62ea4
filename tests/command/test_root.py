"""The command line itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from api.command import main
from api.command.exits import Exit
from tests.http.server import free_port

COMMANDS = (
    *("up", "down", "status", "doctor", "submit", "run", "batch", "logs", "show", "history", "cancel", "retry"),
    *("workers", "spend", "keys", "simulate"),
)


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == Exit.OK
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if f" {command} " not in shown] == []


def test_the_installed_program_is_this_command() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"vera": "api.command:main"}


@pytest.mark.parametrize("arguments", [["dance"], ["status", "--loud"], ["up", "--port", "many"]])
def test_what_is_no_command_is_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == Exit.USAGE
    assert capsys.readouterr().err.startswith("vera: ")


def test_a_setting_that_does_not_fit_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERA_LEASE_SECONDS", "soon")
    assert main(["up"]) == Exit.USAGE
    assert "lease_seconds" in capsys.readouterr().err


def test_simulate_hands_its_flags_to_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--port", "no number"])
    assert end.value.code == 2
    assert "vera simulate: error: argument --port" in capsys.readouterr().err


def test_no_server_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--url", f"http://127.0.0.1:{free_port()}"]) == Exit.UNREACHABLE
    captured = capsys.readouterr()
    assert "vera up" in captured.err
    assert "No server answers" in json.loads(captured.out)["error"]["detail"]


def test_commands_that_only_ask_load_neither_prefect_nor_the_orchestrator() -> None:
    heavy = "sorted({name.partition('.')[0] for name in sys.modules} & {'prefect', 'sqlalchemy', 'fastapi'})"
    program = (
        f"import sys; from api.command import main; main(['status', '--url', 'http://127.0.0.1:1']); print({heavy})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
