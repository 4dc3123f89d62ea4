"""Which journal a URL makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vera_orchestrator.errors import NotConfigured
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


def test_an_error_does_not_show_the_password() -> None:
    with pytest.raises(NotConfigured) as caught:
        make_journal("oracle://user:hunter2@h/x")

    assert "hunter2" not in str(caught.value)
