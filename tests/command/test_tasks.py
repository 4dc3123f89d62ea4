"""Tasks, workers and spending from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from api.command.exits import CommandFailed, Exit
from api.command.fields import moment_of, payload_of, values_of
from tests.command.conftest import Ask, Served


def test_a_task_is_submitted_and_its_result_is_all_that_goes_to_the_pipe(ask: Ask) -> None:
    done = ask("submit", "tool_call", "tool_name=hash_text", "tool_input.text=abc", "--wait")
    assert done.code == Exit.OK, done.err
    assert "ba7816bf" in done.out
    done = ask("submit", "custom", "text=hello", "count:=3", "--wait", "--id", "mine", "--tag", "red", "--json")
    task = json.loads(done.out)
    assert (task["id"], task["tags"], task["result"]["data"]) == ("mine", ["red"], {"text": "hello", "count": 3})


def test_a_payload_can_come_from_standard_input(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"text": "piped"}'))
    done = ask("submit", "custom", "more=1", "--payload", "-", "--wait")
    assert (done.code, json.loads(done.out)) == (Exit.OK, {"text": "piped", "more": "1"}), done.err


def test_a_task_that_fails_ends_with_1_and_says_why(ask: Ask) -> None:
    done = ask("submit", "custom", "fail:=true", "--max-retries", "0", "--wait")
    assert (done.code, done.out) == (Exit.FAILED, "")
    assert "as was asked" in done.err


def test_a_task_that_may_not_be_read_is_told_by_its_id(ask: Ask) -> None:
    key = json.loads(ask("keys", "create", "sender", "--scope", "submit", "--json").out)["key"]
    for option in ("--wait", "--follow"):
        done = ask("submit", "custom", "text=sent", "--id", f"sent{option}", option, "--key", key)
        assert (done.code, f"sent{option}" in done.err, "scope read" in done.err) == (Exit.REFUSED, True, True)
    assert ask("show", "sent--wait").code == Exit.OK


def test_a_task_can_be_shown_cancelled_and_run_again(served: Served, ask: Ask) -> None:
    with served.held():
        task_id = ask("submit", "custom", "wait:=true").out.strip()
        assert task_id in ask("show", task_id).out
        assert ask("cancel", task_id).code == Exit.OK
        assert "cancelled" in ask("show", task_id).out
        assert ask("cancel", task_id).code == Exit.FAILED
    assert ask("retry", task_id).code == Exit.OK
    assert ask("retry", "no such").code == Exit.REFUSED
    assert ask("cancel").code == Exit.USAGE


def test_what_the_server_does_not_know_is_refused_in_its_words(ask: Ask) -> None:
    done = ask("submit", "dance", "--json")
    assert done.code == Exit.REFUSED
    assert json.loads(done.out)["error"]["status"] == 400
    assert "dance" in done.err


def test_the_history_tells_what_happened(ask: Ask) -> None:
    ask("submit", "custom", "text=old", "--id", "told", "--wait")
    shown = ask("history", "--since", "1h", "--limit", "50")
    assert (shown.code, "told" in shown.out) == (Exit.OK, True)
    found = json.loads(ask("history", "--status", "completed", "--json").out)
    assert {task["status"] for task in found["tasks"]} == {"completed"}
    assert ask("history", "--status", "bored").code == Exit.REFUSED


def test_workers_are_listed_drained_and_resumed(ask: Ask) -> None:
    assert "echo" in ask("workers").out
    assert "Ollama does not answer" in ask("workers", "list").out
    assert ask("workers", "drain", "echo").code == Exit.OK
    assert "maintenance" in ask("workers").out
    assert ask("workers", "resume", "echo").code == Exit.OK
    assert "maintenance" not in ask("workers").out
    assert ask("workers", "drain", "nobody").code == Exit.REFUSED


def test_a_provider_is_registered_with_a_key_that_is_no_argument(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-test-0123456789")
    done = ask("workers", "register", "openai", "http://127.0.0.1:9/v1", "--key-from", "MY_KEY", "--json")
    assert done.code == Exit.OK, done.err
    assert "sk-test" not in done.out + done.err
    assert ask("workers", "remove", json.loads(done.out)["worker_id"]).code == Exit.OK
    assert ask("workers", "register", "openai", "--key-from", "NO_SUCH").code == Exit.USAGE
    assert ask("workers", "register", "remote").code == Exit.USAGE


def test_spending_is_told_with_its_total(ask: Ask) -> None:
    shown = ask("spend", "--by", "day,model", "--since", "7d")
    assert (shown.code, "requests" in shown.out) == (Exit.OK, True), shown.err
    assert json.loads(ask("spend", "--json").out)["totals"]["requests"] == 0
    assert ask("spend", "--by", "luck").code == Exit.REFUSED


def test_the_status_shows_tasks_and_workers(ask: Ask) -> None:
    shown = ask("status")
    for words in ("running", "Tasks", "LLM APIs today", "echo"):
        assert words in shown.out


def test_fields_are_text_json_or_files(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print(1)\n")
    given = [f"code=@{tmp_path / 'code.py'}", "language=python", "n:=[1, 2]", "a.b=c", "a.d:=null", "x=y=z"]
    assert values_of(given) == {
        "code": "print(1)\n",
        "language": "python",
        "n": [1, 2],
        "a": {"b": "c", "d": None},
        "x": "y=z",
    }
    assert payload_of(["a=2"], '{"a": 1, "b": 1}') == {"a": "2", "b": 1}


@pytest.mark.parametrize("field", ["no sign", "=x", "a:=no json", "a=@/no/such/file", "a=1 a.b=2"])
def test_what_is_no_field_is_wrong_use(field: str) -> None:
    with pytest.raises(CommandFailed) as refusal:
        values_of([field] if " a" not in field else field.split())
    assert refusal.value.exit_code is Exit.USAGE


def test_times_can_be_so_long_ago() -> None:
    assert (moment_of("2h") or "") < (moment_of("1h") or "")
    assert (moment_of("2026-01-31") or "").startswith("2026-01-3")
    with pytest.raises(CommandFailed):
        moment_of("soon")


def test_what_a_task_does_not_have_has_no_row(ask: Ask) -> None:
    ask("submit", "custom", "text=fine", "--id", "fine", "--wait")
    ask("submit", "custom", "fail=true", "--id", "bad", "--wait")
    fine, bad = ask("show", "fine").out, ask("show", "bad").out
    assert "Error" not in fine
    assert all(len(line.split()) > 1 for line in fine.splitlines() if line.strip())
    assert ("Error" in bad, "as was asked" in bad) == (True, True)
