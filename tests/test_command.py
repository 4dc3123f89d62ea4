"""The command `vera`."""

from __future__ import annotations

import pytest

from vera_orchestrator.command import main


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "simulate" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_what_is_no_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "vera: error:" in capsys.readouterr().err


def test_simulate_hands_its_flags_to_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--port", "no number"])
    assert end.value.code == 2
    assert "vera simulate: error: argument --port" in capsys.readouterr().err
