"""What the ledger promises about totals, answers and its upkeep."""

from __future__ import annotations

import pytest

from tests.conformance.ledger_rows import HOUR, MINUTE, NOON, Shop, amounts, spent
from vera_orchestrator.errors import InvalidValue, JournalUnavailable
from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.quota import Limits
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.windows import SECOND


class TotalSuite:
    """Totals."""

    async def test_totals_are_those_of_each_scope_since_a_minute(self, shop: Shop) -> None:
        for number in range(3):
            shop.clock.now = NOON + number * 10 * MINUTE + 5
            await shop.fits(f"a{number}", scopes={"key": Limits(), f"k{number}": Limits()})

        found = await shop.ledger.totals(["key", "k0", "k2", "nobody"], NOON + 10 * MINUTE + 9)

        assert found == {
            "key": Total(amounts=amounts(requests=2, tokens=200, cents=2), last_at=NOON + 20 * MINUTE + 5),
            "k2": Total(amounts=amounts(), last_at=NOON + 20 * MINUTE + 5),
        }
        assert found == shop.ledger.totals_now(["key", "k0", "k2", "nobody"], NOON + 10 * MINUTE + 9)

    async def test_the_last_time_stays_when_the_clock_is_set_back(self, shop: Shop) -> None:
        shop.clock.now = NOON + 5 * SECOND
        await shop.fits("a")
        shop.clock.now = NOON
        await shop.fits("b")

        assert (await shop.ledger.totals(["key"], NOON))["key"].last_at == NOON + 5 * SECOND

    async def test_the_attempts_of_a_task_come_in_order_of_their_time(self, shop: Shop) -> None:
        for key in ("c", "a", "b"):
            await shop.fits(key)
            shop.clock.now += SECOND
        await shop.fits("other", task=8)

        assert [kept.key for kept in await shop.ledger.kept(7)] == ["c", "a", "b"]
        assert await shop.ledger.kept(9) == []


class AnswerSuite:
    """Answers that are kept."""

    async def test_an_answer_is_found_until_it_is_too_old_and_the_newest_counts(self, shop: Shop) -> None:
        await shop.ledger.keep_answer("k", "old", at=10.0)
        await shop.ledger.keep_answer("k", "new", at=20.0)

        assert await shop.ledger.answer("k", since=20.0) == "new"
        assert await shop.ledger.answer("k", since=20.5) is None
        assert await shop.ledger.answer("other", since=0) is None
        assert await shop.ledger.answer("\0", since=0) is None

    @pytest.mark.parametrize(("key", "text"), [("\0", "text"), ("x" * 2_000, "text"), ("k", "a\ud83d")])
    async def test_an_answer_that_not_every_store_can_hold_is_refused(self, shop: Shop, key: str, text: str) -> None:
        with pytest.raises(InvalidValue):
            await shop.ledger.keep_answer(key, text, at=1.0)


class LedgerPruneSuite:
    """Upkeep."""

    async def test_what_is_old_goes_in_small_steps_and_what_is_reserved_stays(self, shop: Shop) -> None:
        for number in range(5):
            await shop.fits(f"a{number}")
            shop.clock.now += MINUTE
        for key in ("a0", "a1", "a2", "a4"):
            await shop.ledger.settle(key, spent(40))
        await shop.ledger.keep_answer("old", "x", at=1.0)
        await shop.ledger.keep_answer("new", "x", at=2.0)
        limit = NOON + 4 * MINUTE

        counts = [await shop.ledger.prune(before=limit, answers_before=2.0, limit=2) for _ in range(6)]

        assert counts[0] <= 6
        assert sum(counts) == 3 + 2 * 4 + 1  # uses, their sums of two widths, an answer
        assert counts[-1] == 0
        assert [kept.key for kept in await shop.ledger.kept(7)] == ["a3", "a4"]
        assert await shop.used() == Amounts(tokens=40, cost=4_000_000)
        assert await shop.ledger.answer("old", since=0) is None
        assert await shop.ledger.answer("new", since=0) == "x"

    async def test_what_was_pruned_can_be_settled_no_more_and_harms_nothing(self, shop: Shop) -> None:
        await shop.fits("a")
        await shop.fits("b")
        await shop.ledger.settle("a", None)
        shop.clock.now += HOUR
        await shop.ledger.prune(before=shop.clock.now, answers_before=0, limit=100)

        assert not await shop.ledger.settle("a", spent())
        assert await shop.ledger.settle("b", spent())
        assert await shop.used() is None

    async def test_seconds_are_forgotten_long_before_minutes(self, shop: Shop) -> None:
        await shop.fits("a")
        shop.clock.now += 3 * HOUR

        assert await shop.ledger.prune(before=NOON - HOUR, answers_before=0, limit=100) == 1
        assert await shop.used() == amounts()
        assert await shop.ledger.prune(before=NOON - HOUR, answers_before=0, limit=100) == 0

    async def test_a_bucket_that_comes_back_after_it_was_pruned_is_never_below_zero(self, shop: Shop) -> None:
        await shop.fits("a")
        shop.clock.now += HOUR
        await shop.ledger.prune(before=shop.clock.now, answers_before=0, limit=100)
        shop.clock.now = NOON
        await shop.fits("b", amounts=amounts(tokens=1))

        await shop.ledger.settle("a", spent(2))

        await shop.fits("c", Limits(tokens_per_minute=100, tokens_per_day=100))


class ClosedLedgerSuite:
    """Before and after."""

    async def test_a_closed_journal_has_a_closed_ledger(self, shop: Shop) -> None:
        await shop.journal.close()

        with pytest.raises(JournalUnavailable, match="closed"):
            await shop.ledger.reserve(shop.booking("a"))
        with pytest.raises(JournalUnavailable, match="closed"):
            shop.ledger.totals_now(["key"], 0)
        settling = shop.ledger.settle("a", None)
        with pytest.raises(JournalUnavailable, match="closed"):
            await settling

    async def test_what_was_used_outlasts_closing(self, shop: Shop) -> None:
        await shop.fits("a", Limits(requests_per_day=1))
        await shop.journal.close()
        await shop.journal.open()

        await shop.waits("b", Limits(requests_per_day=1))
