"""README's Python examples run, in order, in one async namespace."""

from __future__ import annotations

import ast
import inspect
import re
from codeop import CommandCompiler
from pathlib import Path
from typing import Any

import pytest

from tests.prefect_homes import with_tables

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


async def test_the_python_examples_run_in_order(
    tmp_path: Path, prefect_tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERA_HOME", str(with_tables(tmp_path / "state", prefect_tables)))
    monkeypatch.setenv("VERA_OLLAMA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("VERA_PREFECT", "embedded")
    namespace: dict[str, Any] = {"__name__": "readme"}
    assert len(BLOCKS) >= 8
    for number, block in enumerate(BLOCKS):
        code = compile(block, f"README.md, Python block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)
        if inspect.isawaitable(result):
            await result
    assert not namespace["orchestrator"].is_running


@pytest.mark.parametrize("block", BLOCKS)
def test_each_python_example_can_be_pasted_into_an_interactive_shell(block: str) -> None:
    compiler = CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    entered: list[str] = []
    for line in [*block.splitlines(), ""]:
        entered.append(line)
        if compiler("\n".join(entered), "README.md") is not None:  # raises SyntaxError where the shell would
            entered.clear()
    assert entered == []


@pytest.mark.parametrize("command", ["make run", "make test", "make soak", "make bench", "make check"])
def test_the_commands_that_readme_names_exist(command: str) -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    assert command in README
    assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE)
