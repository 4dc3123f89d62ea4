"""The suite of the journal port.

A subclass provides the fixture `new_store`, a function that makes a new and empty journal, not yet open.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest_asyncio

from tests.conformance.journal_access import AuditSuite, KeySuite
from tests.conformance.journal_cancelling import CancelSuite
from tests.conformance.journal_outbox import OutboxSuite
from tests.conformance.journal_owners import ClaimSuite, OwnerSuite
from tests.conformance.journal_reading import BatchSuite, ClosingSuite, HistorySuite
from tests.conformance.journal_slots import SlotSuite
from tests.conformance.journal_tasks import AddSuite, IdempotencySuite, LifeSuite
from tests.conformance.journal_upkeep import PruneSuite, RequeueSuite
from tests.conformance.journal_values import ValueSuite
from vera_orchestrator.journal.base import Journal


class JournalSuite(
    AddSuite,
    IdempotencySuite,
    LifeSuite,
    OwnerSuite,
    ClaimSuite,
    CancelSuite,
    SlotSuite,
    BatchSuite,
    HistorySuite,
    RequeueSuite,
    PruneSuite,
    OutboxSuite,
    ValueSuite,
    KeySuite,
    AuditSuite,
    ClosingSuite,
):
    """Everything that the port promises."""

    @pytest_asyncio.fixture
    async def journal(self, new_store: Callable[[], Journal]) -> AsyncGenerator[Journal]:
        """Give an open journal."""
        journal = new_store()
        await journal.open()
        yield journal
        await journal.close()
