"""Keys from the command line, with a server and without one."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.command import client, main
from api.command.exits import Exit
from tests.command.conftest import Ask, Served


def test_through_a_server_a_key_is_made_used_listed_and_ended(served: Served, ask: Ask) -> None:
    made = ask(
        "keys",
        "create",
        "nightly",
        "--scope",
        "read",
        "--cost-per-day",
        "2.5",
        "--rate",
        "30",
        "--secret",
        "CRM",
        "--secret",
        "BILLING",
    )
    assert made.code == Exit.OK, made.err
    key = made.out.strip()
    assert key.startswith("vera_")
    assert key not in made.err
    assert ask("status", "--key", key).code == Exit.OK
    refused = ask("keys", "list", "--key", key)
    assert (refused.code, "manage" in refused.err) == (Exit.REFUSED, True)
    listed = ask("keys", "list")
    for words in ("nightly", "active", "read", "$2.50 USD a day", "30 tasks a minute", "secrets BILLING, CRM"):
        assert words in " ".join(listed.out.split())
    assert key not in listed.out
    key_id = key.split("_")[1]
    assert ask("keys", "revoke", key_id).code == Exit.OK
    wrong = ask("status", "--key", key)
    assert (wrong.code, "--key or VERA_API_KEY" in wrong.err) == (Exit.REFUSED, True)
    assert ask("keys", "revoke", "nobody", "--json").code == Exit.REFUSED


def test_without_a_server_they_are_changed_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERA_HOME", str(tmp_path))
    assert main(["keys"]) == Exit.OK
    assert "There is no key" in capsys.readouterr().out
    assert main(["keys", "create", "any", "--secret", "*", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["secrets"] == ["*"]
    options = ["--expires-in-days", "7", "--requests-per-day", "100", "--weight", "2", "--json"]
    assert main(["keys", "create", "first", *options]) == Exit.OK
    made = json.loads(capsys.readouterr().out)
    assert (made["scopes"], made["quota_requests_per_day"], made["weight"]) == (["read", "submit"], 100, 2.0)
    assert main(["keys", "revoke", made["key_id"]]) == Exit.OK
    capsys.readouterr()
    assert main(["keys", "list", "--json"]) == Exit.OK
    listed, _ = json.loads(capsys.readouterr().out)["keys"]
    assert (listed["status"], listed["secrets"], "key" in listed) == ("revoked", [], False)
    assert main(["keys", "create", "x", "--expires-in-days", "-1"]) == Exit.USAGE
    assert "expires_at" in capsys.readouterr().err


def test_where_nothing_is_named_the_server_is_asked_that_other_commands_ask(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "DEFAULT_PORT", urlsplit(served.url).port)
    for name in ("VERA_HOME", "VERA_DATABASE_URL", "VERA_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["keys", "create", "mine"]) == Exit.OK
    made = capsys.readouterr()
    assert "No server was asked" not in made.err
    assert main(["status", "--key", made.out.strip()]) == Exit.OK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_named_goes_before_a_server_elsewhere_and_is_said(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "DEFAULT_PORT", urlsplit(served.url).port)
    monkeypatch.setenv("VERA_HOME", str(tmp_path))
    assert main(["keys", "create", "theirs"]) == Exit.OK
    assert f"No server was asked: these are the keys in the journal of {tmp_path}" in capsys.readouterr().err
