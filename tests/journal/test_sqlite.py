"""The journal in a SQLite file passes the suite of the port."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conformance.journal import JournalSuite
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.sqlite import SQLiteBackend


class TestSQLiteJournal(JournalSuite):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> Callable[[], Journal]:
        numbers = count()
        return lambda: make_journal(f"sqlite:///{tmp_path}/{next(numbers)}.db")


async def test_the_file_and_its_folder_are_private(tmp_path: Path) -> None:
    journal = make_journal(f"sqlite:///{tmp_path}/state/journal.db")
    await journal.open()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}

    assert modes["journal.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    await journal.close()


def test_opening_keeps_others_from_opening(tmp_path: Path) -> None:
    backend = SQLiteBackend(make_url(f"sqlite:///{tmp_path}/journal.db"))
    folder = os.open(tmp_path, os.O_RDONLY)

    with backend.opening(), pytest.raises(BlockingIOError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)

    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)
