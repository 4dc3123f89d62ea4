"""What the ledger promises about spending and how its limits stand."""

from __future__ import annotations

from decimal import Decimal

from tests.conformance.ledger_rows import HOUR, MINUTE, NOON, Shop, amounts, spent
from vera_orchestrator.journal.spending import Dimension, Spending, SpendingQuery
from vera_orchestrator.metering import NOT_SENT
from vera_orchestrator.money import NANOS
from vera_orchestrator.quota import Limits
from vera_orchestrator.usage import Usage
from vera_orchestrator.windows import SECOND

TODAY = ((NOON - HOUR, NOON + HOUR),)
CENT = NANOS // 100


async def by(shop: Shop, *names: Dimension, caller: str | None = None) -> list[Spending]:
    return await shop.ledger.spending(SpendingQuery(periods=TODAY, by=frozenset(names), caller=caller))


class SpendingSuite:
    """What was spent."""

    async def test_nothing_spent_is_no_row(self, shop: Shop) -> None:
        await shop.fits("a")
        await shop.ledger.settle("a", NOT_SENT)

        assert await by(shop) == []
        assert await by(shop, *Dimension) == []

    async def test_reports_estimates_and_unknown_prices_are_told_apart(self, shop: Shop) -> None:
        for key in "abc":
            await shop.fits(key)
        await shop.fits("d", amounts=amounts(cents=None))
        await shop.ledger.settle("a", spent(41))
        await shop.ledger.settle("b", None)
        await shop.ledger.settle("d", spent(7, None))

        (all_of_it,) = await by(shop)

        assert all_of_it == Spending(
            requests=4,
            tokens=41 + 100 + 100 + 7,
            cost=2 * CENT + 4_000_000,
            usage=Usage(input=20 + 3, output=21 + 4),
            estimated_requests=2,
            unpriced_requests=1,
        )

    async def test_spending_is_told_apart_by_every_name(self, shop: Shop) -> None:
        await shop.fits("a", worker_id="v", amounts=amounts(cents=3))
        await shop.fits("b", worker_id="v", model="n", amounts=amounts(cents=2))
        await shop.fits("c", provider="gemini", caller="me", amounts=amounts(cents=1))

        assert [(one.worker_id, one.cost) for one in await by(shop, Dimension.WORKER)] == [
            ("v", 5 * CENT),
            ("w", CENT),
        ]
        assert [(one.model, one.requests) for one in await by(shop, Dimension.MODEL)] == [("m", 2), ("n", 1)]
        assert [(one.provider, one.tokens) for one in await by(shop, Dimension.PROVIDER)] == [
            ("openai", 200),
            ("gemini", 100),
        ]
        assert [(one.caller, one.requests) for one in await by(shop, Dimension.CALLER)] == [(None, 2), ("me", 1)]
        assert [(one.worker_id, one.model) for one in await by(shop, Dimension.WORKER, Dimension.MODEL)] == [
            ("v", "m"),
            ("v", "n"),
            ("w", "m"),
        ]

    async def test_each_tag_has_the_whole_of_what_it_is_on(self, shop: Shop) -> None:
        await shop.fits("a", tags=("x", "y", "x"), amounts=amounts(cents=4))
        await shop.fits("b", tags=("y",), amounts=amounts(cents=2))
        await shop.fits("c")

        found = await by(shop, Dimension.TAG)

        assert [(one.tag, one.cost, one.requests) for one in found] == [
            ("y", 6 * CENT, 2),
            ("x", 4 * CENT, 1),
            (None, CENT, 1),
        ]

    async def test_one_callers_spending_is_that_of_its_tasks(self, shop: Shop) -> None:
        await shop.fits("a", caller="me", tags=("x",))
        await shop.fits("b", caller="you", tags=("x",))
        await shop.fits("c", tags=("x",))

        (mine,) = await by(shop, Dimension.TAG, caller="me")

        assert (mine.tag, mine.requests) == ("x", 1)
        assert await by(shop, caller="nobody") == []

    async def test_periods_begin_with_their_first_microsecond_and_end_before_the_next(self, shop: Shop) -> None:
        for number, key in enumerate("abc"):
            shop.clock.now = NOON + number * MINUTE
            await shop.fits(key)

        periods = [(NOON, NOON + MINUTE), (NOON + MINUTE, NOON + 2 * MINUTE), (NOON - HOUR, NOON), (NOON, NOON + HOUR)]
        found = await shop.ledger.spending(SpendingQuery(periods=periods))

        assert [(one.period, one.requests) for one in found] == [(0, 1), (1, 1), (3, 3)]


class StandingSuite:
    """How limits stand."""

    async def test_each_limit_says_what_is_used_and_when_it_is_whole_again(self, shop: Shop) -> None:
        limits = Limits(requests_per_minute=2, tokens_per_day=1_000, cost_per_day=Decimal(1), zone="Europe/Berlin")
        shop.clock.now = NOON - 2 * MINUTE
        await shop.fits("a")
        shop.clock.now = NOON
        await shop.fits("b")

        found = await shop.ledger.standing([("key", limits), ("unlimited", Limits())])

        assert [(one.scope, str(one.limit), one.used, one.remaining) for one in found] == [
            ("key", "2 requests per minute", 1, 1),
            ("key", "1000 tokens per day", 200, 800),
            ("key", "1.00 USD per day", 2 * CENT, NANOS - 2 * CENT),
        ]
        minute, *days = [one.resets_at for one in found]
        assert minute is not None and NOON + MINUTE <= minute < NOON + MINUTE + SECOND
        assert days == [NOON + 10 * HOUR] * 2

    async def test_what_is_not_used_needs_no_reset_and_more_than_all_leaves_nothing(self, shop: Shop) -> None:
        await shop.fits("a", scopes={"used": Limits()})
        await shop.ledger.settle("a", spent(5_000))

        found = await shop.ledger.standing(
            [("new", Limits(requests_per_hour=1)), ("used", Limits(tokens_per_minute=100))]
        )

        assert [(one.used, one.remaining, one.resets_at is None) for one in found] == [(0, 1, True), (5_000, 0, False)]
