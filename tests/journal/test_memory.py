"""The in-memory journal passes the suite of the port."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.journal import JournalSuite
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.memory import MemoryJournal


class TestMemoryJournal(JournalSuite):
    @pytest.fixture
    def new_store(self) -> Callable[[], Journal]:
        return MemoryJournal
