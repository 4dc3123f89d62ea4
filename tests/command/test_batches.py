"""Batches from files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from api.command.batch_file import read_batch
from api.command.exits import CommandFailed, Exit
from tests.command.conftest import Ask, Served

EXAMPLE = Path(__file__).parents[2] / "examples" / "batch.yaml"
FAILING: dict[str, Any] = {
    "batch_id": "half",
    "tasks": [
        {"id": "good", "type": "custom", "payload": {"text": "fine"}},
        {"id": "bad", "type": "custom", "payload": {"fail": True}, "max_retries": 0},
        {"id": "later", "type": "custom", "depends_on": ["bad"]},
    ],
}


def written(folder: Path, content: object) -> str:
    path = folder / "batch.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_the_example_runs_without_any_provider(ask: Ask) -> None:
    done = ask("run", str(EXAMPLE))
    assert done.code == Exit.OK, done.out + done.err
    for words in ("6/6", "statistics", "fingerprint", "letter.txt"):
        assert words in done.out


def test_a_batch_that_does_not_succeed_ends_with_1_and_can_be_shown_retried_and_listed(
    ask: Ask, tmp_path: Path
) -> None:
    done = ask("run", written(tmp_path, FAILING))
    assert done.code == Exit.FAILED
    assert "as was asked" in done.out
    shown = ask("batch", "show", "half", "--json")
    assert (shown.code, json.loads(shown.out)["status"]) == (Exit.OK, "failed")
    assert "2 tasks wait" in ask("batch", "retry", "half").out
    assert ask("batch", "show", "half", "--follow").code == Exit.FAILED
    assert "half" in ask("batch", "list").out
    assert ask("batch", "show", "no such").code == Exit.REFUSED


def test_without_waiting_it_says_the_id_by_which_it_can_be_cancelled(served: Served, ask: Ask, tmp_path: Path) -> None:
    held = {"tasks": [{"id": "held", "type": "custom", "payload": {"wait": True}}]}
    with served.held():
        started = ask("run", "--no-wait", "--json", written(tmp_path, held))
        batch_id = json.loads(started.out)["batch_id"]
        assert ask("batch", "cancel", batch_id).code == Exit.OK
        assert ask("batch", "show", batch_id, "--follow").code == Exit.FAILED
        assert ask("batch", "cancel", batch_id).code == Exit.FAILED


def test_a_batch_can_come_from_standard_input(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("- {type: custom, payload: {text: piped}}"))
    done = ask("run", "-")
    assert (done.code, "piped" in done.out) == (Exit.OK, True), done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "custom", "colour": "red"}], "colour"),
        ([{"id": "a", "type": "custom", "depends_on": ["b"]}], "b"),
        ([], "tasks"),
    ],
)
def test_what_the_server_refuses_is_told_in_its_words(content: object, words: str, ask: Ask, tmp_path: Path) -> None:
    done = ask("run", written(tmp_path, content))
    assert (done.code, words in done.err) == (Exit.REFUSED, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", "tasks: [unclosed"), ("a.json", "{"), ("a.yaml", "just text"), ("a.yaml", "name: no tasks")],
)
def test_a_file_that_holds_no_batch_is_wrong_use(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CommandFailed) as refusal:
        read_batch(str(tmp_path / name))
    assert refusal.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "a.yaml",
            "tasks: [unclosed",
            ", line 1, column 17, is not YAML: expected ',' or ']', but got '<stream end>'.",
        ),
        ("a.yaml", "tasks:\n  - type: custom\n  id: a\n", ", line 3, column 3, is not YAML: expected <block end>, but"),
        ("a.yaml", "tasks:\n- a: \0", ", line 2, column 6, is not YAML: special characters are not allowed."),
        ("a.yaml", "tasks: 2026-13-45", " is not YAML: month must be in 1..12."),
        ("a.yaml", "[" * 5_000, " is not YAML: it is nested too deeply."),
        ("a.json", '{\n"tasks": }', ", line 2, column 10, is not JSON: Expecting value."),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_line_and_column_on_two_lines(
    name: str, text: str, told: str, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    done = ask("run", str(tmp_path / name))
    assert done.code == Exit.USAGE
    assert f"{tmp_path / name}{told}" in done.err
    assert len(done.err.splitlines()) <= 2


def test_where_nothing_is_to_be_retried_that_is_said_and_refused(ask: Ask, tmp_path: Path) -> None:
    ask("run", written(tmp_path, {"batch_id": "whole", "tasks": [{"type": "custom"}]}))
    for options in ([], ["--wait"], ["--json"]):
        done = ask("batch", "retry", "whole", *options)
        assert done.code == Exit.REFUSED
        assert "Nothing to retry: it has no failed or cancelled task that is kept." in done.err + done.out


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be read"):
        read_batch(str(tmp_path / "nothing.yaml"))


def test_dates_in_yaml_become_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- {type: custom, payload: {day: 2026-01-31}}")
    assert read_batch(str(tmp_path / "a.yaml")) == {"tasks": [{"type": "custom", "payload": {"day": "2026-01-31"}}]}
