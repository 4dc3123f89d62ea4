"""The terminal as README shows it; VERA_WRITE_PICTURES=1 writes it to docs/terminal.svg."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.command.conftest import Ask, Served
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.workers.llm import OllamaWorker

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "terminal.svg"
COLUMNS = 104
COMMANDS = (
    ("run", "examples/batch.yaml"),
    ("submit", "llm_request", "prompt=Why is the sky blue?", "--wait"),
    ("history", "--limit", "4"),
    ("status",),
)


@pytest.fixture
def with_a_model(served: Served) -> Iterator[None]:
    """A simulated Ollama, in place of the worker that is only for tests."""
    registry = served.orchestrator.worker_registry
    with serving() as simulator:
        served.do(registry.unregister("echo"))
        served.do(registry.register(OllamaWorker(simulator.url, worker_id="ollama")))
        yield
        served.do(registry.unregister("ollama"))


@pytest.mark.usefixtures("with_a_model")
def test_the_terminal_shows_a_batch_an_answer_and_the_status(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    screen = Console(record=True, width=COLUMNS, file=io.StringIO())
    for command in COMMANDS:
        screen.print(Text.assemble(("$ ", "bold green"), (f"vera {shlex.join(command)}", "bold")))
        screen.print(Text.from_ansi(ask(*command).out))
    picture = screen.export_svg(title="vera", theme=MONOKAI)
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # which are on another host
    for words in ("examples/batch.yaml", "fingerprint", "6/6", "[simulated]", "running", "code-execution"):
        assert words in picture.replace("&#160;", " ")
    assert "url(http" not in picture
    if os.environ.get("VERA_WRITE_PICTURES"):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(picture)
