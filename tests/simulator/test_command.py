"""The command."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.simulator.conftest import user
from vera_orchestrator.simulator.command import main


def test_the_command_says_where_it_is_and_that_it_is_simulated() -> None:
    command = [sys.executable, "-m", "vera_orchestrator.simulator", "--port", "0", "--answers", "yes"]
    with subprocess.Popen([*command, "--error-rates", "500=0.5", "--errors", "200"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            assert line.startswith("[simulated] LLM simulator on http://127.0.0.1:")
            url = line.split(" on ")[1].split(": ")[0]
            answer = httpx.post(
                f"{url}/v1/chat/completions", json={"model": "m", "messages": user("hello")}, trust_env=False
            ).json()
            assert answer["choices"][0]["message"]["content"] == "[simulated] yes"
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--latency", "-1"], "--latency: "),
        (["--error-rates", "500=2"], "--error-rates: "),
        (["--errors", "nonsense"], "--errors: "),
    ],
)
def test_a_wrong_flag_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err
