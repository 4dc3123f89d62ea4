"""Which journal a URL makes."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from vera_orchestrator.errors import InvalidValue, NotConfigured
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.settings import OrchestratorConfig


def test_the_default_url_of_the_settings_makes_a_journal_in_a_file(tmp_path: Path) -> None:
    journal = make_journal(OrchestratorConfig(home=tmp_path).journal_url)

    assert isinstance(journal, SQLJournal)
    assert not (tmp_path / "journal.db").exists()


def test_memory_makes_the_one_that_is_not_kept() -> None:
    assert isinstance(make_journal("memory://"), MemoryJournal)


@pytest.mark.parametrize("url", ["mongodb://h/x", "no url", "sqlite://", "sqlite:///:memory:", ""])
def test_what_makes_no_journal_names_the_setting(url: str) -> None:
    with pytest.raises(NotConfigured, match=r"database_url.*sqlite:////absolute/path/journal\.db"):
        make_journal(url)


@pytest.mark.parametrize(
    "url",
    [
        "oracle://user:hunter2@h/x",
        "postgresql://user:x@hunter2@localhost:1/db",
        "postgresql://user:x@hunter2:word@localhost/db",
        "postgresql://user:x@hunter2/word@localhost/db",
        "postgresql://user:x@hunter2@localhost:port/db",
        "postgresql+psycopg://user:x:hunter2:9@localhost:hunter2/db",
    ],
)
def test_an_error_does_not_show_the_password(url: str) -> None:
    with pytest.raises(NotConfigured, match="database_url") as caught:
        make_journal(url)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(url, "")


def test_the_settings_refuse_a_password_that_would_be_taken_for_the_host(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"database_url.*%XX") as caught:
        OrchestratorConfig(home=tmp_path, database_url=SecretStr("postgresql://user:x@hunter2@localhost/db"))

    assert "hunter2" not in str(caught.value)


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one@two@three.db"

    config = OrchestratorConfig(home=tmp_path, database_url=SecretStr(url))

    assert isinstance(make_journal(config.journal_url), SQLJournal)
