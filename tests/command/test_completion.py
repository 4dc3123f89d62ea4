"""Completion for shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from api.command import main
from api.command.exits import Exit

COMMANDS = ("batch", "doctor", "history", "keys", "run", "status", "submit", "up", "workers")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_is_installed_for_a_shell_and_knows_the_commands(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "completion"
    assert main(["--install-completion", "--shell", shell, "--output", str(script)]) == Exit.OK
    text = script.read_text()
    assert [command for command in COMMANDS if command not in text] == []
    assert "--watch" in text or "watch" in text
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n", str(script)], check=False).returncode == 0
