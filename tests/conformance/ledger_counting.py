"""What the ledger promises about requests that are only counted."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.ledger_rows import MINUTE, NOON, Shop
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.quota import Fits, Limits, Never, WaitUntil
from vera_orchestrator.windows import SECOND


class CountSuite:
    """A limit for a minute without attempts behind it."""

    async def test_a_minute_takes_what_its_limit_says_and_no_more(self, shop: Shop) -> None:
        for place in range(3):
            shop.clock.now = NOON + place * 10 * SECOND
            assert isinstance(await shop.ledger.count("s", 2, 6), Fits)

        full = await shop.ledger.count("s", 1, 6)
        assert isinstance(full, WaitUntil)
        assert NOON + MINUTE <= full.time < NOON + MINUTE + SECOND

        shop.clock.now = full.time
        assert isinstance(await shop.ledger.count("s", 2, 6), Fits)
        assert isinstance(await shop.ledger.count("s", 1, 6), WaitUntil)

    async def test_several_are_counted_together_or_not_at_all(self, shop: Shop) -> None:
        assert isinstance(await shop.ledger.count("s", 4, 5), Fits)
        assert isinstance(await shop.ledger.count("s", 2, 5), WaitUntil)
        assert isinstance(await shop.ledger.count("s", 1, 5), Fits)

    async def test_more_than_the_limit_never_fit(self, shop: Shop) -> None:
        assert isinstance(await shop.ledger.count("s", 6, 5), Never)

    async def test_scopes_do_not_know_of_each_other(self, shop: Shop) -> None:
        assert isinstance(await shop.ledger.count("one", 1, 1), Fits)
        assert isinstance(await shop.ledger.count("two", 1, 1), Fits)

    async def test_what_is_counted_at_once_passes_no_limit(self, shop: Shop) -> None:
        found = await asyncio.gather(*(shop.ledger.count("s", 1, 20) for _ in range(50)))
        assert sum(isinstance(one, Fits) for one in found) == 20

    async def test_it_is_no_use_and_no_attempt(self, shop: Shop) -> None:
        await shop.ledger.count("key", 5, 9)

        assert await shop.used() is None
        await shop.fits("a", Limits(requests_per_hour=1))

    async def test_it_is_forgotten_like_other_sums_of_seconds(self, shop: Shop) -> None:
        await shop.ledger.count("s", 5, 9)
        shop.clock.now += 3 * 60 * MINUTE

        assert await shop.ledger.prune(before=shop.clock.now, answers_before=0, limit=10) == 1

    async def test_a_scope_that_cannot_be_held_is_refused(self, shop: Shop) -> None:
        with pytest.raises(InvalidValue, match="scope"):
            await shop.ledger.count("nul\0", 1, 1)
