"""Every route, by its description in the OpenAPI document: no server error, no answer that is not described."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.fuzzing.station import KEY, fuzzed

CONFIG = Path(__file__).with_name("schemathesis.toml")
PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with fuzzed(tmp_path) as url:
        yield url


def check(address: str, folder: Path, *options: str) -> None:
    """Run schemathesis with all of its checks."""
    command = [sys.executable, "-c", PROGRAM, "--config-file", str(CONFIG), "run", f"{address}/openapi.json"]
    settled = ["--checks", "all", "-H", f"Authorization: Bearer {KEY}", "--request-timeout", "20"]
    done = subprocess.run(
        [*command, *settled, "--continue-on-failure", *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_answers_are_those_that_the_document_describes(address: str, tmp_path: Path) -> None:
    check(address, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "4", "--seed", "1")


@pytest.mark.soak
def test_answers_are_those_that_the_document_describes_whatever_is_sent(address: str, tmp_path: Path) -> None:
    check(address, tmp_path, "--max-examples", "150")
