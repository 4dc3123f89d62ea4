"""The suite of the ledger port.

A subclass provides the fixture `new_store`, a function that makes a new and empty journal, not yet open, whose ledger
runs by a clock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.conformance.journal_rows import join
from tests.conformance.ledger_counting import CountSuite
from tests.conformance.ledger_deciding import BookingSuite, LimitSuite, RateSuite
from tests.conformance.ledger_histories import HistoriesSuite
from tests.conformance.ledger_reading import AnswerSuite, ClosedLedgerSuite, LedgerPruneSuite, TotalSuite
from tests.conformance.ledger_rows import Clock, MakeStore, Shop
from tests.conformance.ledger_settling import SettleSuite
from tests.conformance.ledger_spending import SpendingSuite, StandingSuite


class LedgerSuite(
    LimitSuite,
    RateSuite,
    BookingSuite,
    CountSuite,
    SettleSuite,
    TotalSuite,
    SpendingSuite,
    StandingSuite,
    AnswerSuite,
    LedgerPruneSuite,
    ClosedLedgerSuite,
    HistoriesSuite,
):
    """Everything that the port promises."""

    @pytest_asyncio.fixture
    async def shop(self, new_store: MakeStore) -> AsyncGenerator[Shop]:
        """Give an open journal with an owner, and its clock."""
        clock = Clock()
        journal = new_store(clock)
        await journal.open()
        yield Shop(journal, clock, await join(journal))
        await journal.close()
