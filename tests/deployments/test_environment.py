from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.__main__ import main
from deployments.environment import NOTICE, export_lines


def shell_sees(lines: str, name: str) -> str:
    """Return what a shell takes for the value of a variable."""
    script = f'{lines}\nprintf %s "${name}"'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout


def test_the_output_says_first_that_it_holds_a_secret() -> None:
    assert export_lines({"A": "1"}).splitlines()[0] == NOTICE
    assert NOTICE.startswith("#")
    assert "password" in NOTICE


@pytest.mark.parametrize("value", ["plain", "vera:a'b\"c", "two words", "$(id)", "`id`", "line\nline", ""])
def test_a_shell_takes_every_value_literally(value: str) -> None:
    assert shell_sees(export_lines({"NAME": value}), "NAME") == value


def test_without_a_server_the_error_says_what_to_do_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERA_HOME", str(tmp_path / "vera"))
    assert main(["env"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no embedded Prefect server runs" in captured.err
    assert "Start an orchestrator" in captured.err
    assert not (tmp_path / "vera").exists()


def test_a_server_that_has_ended_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "prefect"
    folder.mkdir()
    (folder / "server.json").write_text('{"port": 1}')
    (folder / "supervisor.lock").touch()
    monkeypatch.setenv("VERA_HOME", str(tmp_path))
    assert main(["env"]) == 1
