"""What the ledger promises about what was used in the end."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.conformance.journal_rows import join
from tests.conformance.ledger_rows import HOUR, MINUTE, NOON, Shop, amounts, spent
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.ledger import Kept
from vera_orchestrator.metering import NOT_SENT, REFUSED, Spent
from vera_orchestrator.quota import Limits
from vera_orchestrator.reservation import Amounts, ReservationState
from vera_orchestrator.usage import Usage

FOUR_MILLS = 4_000_000


class SettleSuite:
    """Settling."""

    async def only(self, shop: Shop) -> Kept:
        (kept,) = await shop.ledger.kept(7)
        return kept

    async def test_what_was_used_takes_the_place_of_what_was_reserved(self, shop: Shop) -> None:
        await shop.fits("a")
        shop.clock.now += HOUR

        assert await shop.ledger.settle("a", spent(40, "0.004"))

        kept = await self.only(shop)
        assert (kept.state, kept.at, kept.usage) == (ReservationState.SETTLED, NOON, Usage(input=20, output=20))
        assert (kept.worker_id, kept.provider, kept.model) == ("w", "openai", "m")
        assert kept.amounts == Amounts(tokens=40, cost=FOUR_MILLS) == await shop.used()

    async def test_room_that_was_not_used_is_free_at_once(self, shop: Shop) -> None:
        limits = Limits(tokens_per_day=150, tokens_per_minute=150)
        await shop.fits("a", limits)
        await shop.waits("b", limits)

        await shop.ledger.settle("a", spent(50))

        await shop.fits("b", limits)
        await shop.waits("c", limits)

    async def test_more_than_was_reserved_is_kept_as_it_is(self, shop: Shop) -> None:
        await shop.fits("a")

        await shop.ledger.settle("a", spent(1_000, "5"))

        assert await shop.used() == Amounts(tokens=1_000, cost=5 * 10**9)

    async def test_without_a_report_all_that_was_reserved_stays_as_an_estimate(self, shop: Shop) -> None:
        await shop.fits("a")

        assert await shop.ledger.settle("a", None)

        kept = await self.only(shop)
        assert (kept.state, kept.amounts, kept.usage) == (ReservationState.ESTIMATED, amounts(), None)
        assert await shop.used() == amounts()

    @pytest.mark.parametrize(
        ("report", "tokens", "cost"),
        [
            (spent(40, None), 40, 10_000_000),
            (spent(40, "0.004", estimated=True), 40, FOUR_MILLS),
            (Spent(usage=None, cost=Decimal("0.004")), 100, FOUR_MILLS),
            (Spent(usage=None), 100, 10_000_000),
        ],
        ids=["cost not known", "tokens estimated", "tokens not known", "nothing known"],
    )
    async def test_what_is_known_in_part_is_an_estimate(
        self, shop: Shop, report: Spent, tokens: int, cost: int
    ) -> None:
        await shop.fits("a")

        assert await shop.ledger.settle("a", report)

        kept = await self.only(shop)
        assert kept.state is ReservationState.ESTIMATED
        assert kept.usage == report.usage
        assert kept.amounts == Amounts(tokens=tokens, cost=cost) == await shop.used()

    async def test_a_cost_that_nobody_knows_leaves_nothing_to_estimate(self, shop: Shop) -> None:
        await shop.fits("a", amounts=amounts(cents=None))

        await shop.ledger.settle("a", spent(40, None))

        kept = await self.only(shop)
        assert (kept.state, kept.amounts) == (ReservationState.SETTLED, Amounts(tokens=40, cost=None))

    async def test_what_was_not_sent_uses_nothing_and_what_was_refused_one_request(self, shop: Shop) -> None:
        await shop.fits("a", scopes={"a": Limits()})
        await shop.fits("b", scopes={"b": Limits()})

        await asyncio.gather(shop.ledger.settle("a", NOT_SENT), shop.ledger.settle("b", REFUSED))

        assert (await shop.used("a"), await shop.used("b")) == (Amounts(requests=0), Amounts())

    async def test_an_estimate_may_be_settled_again_and_what_is_settled_may_not(self, shop: Shop) -> None:
        await shop.fits("a")
        ledger = shop.ledger

        outcomes = [await ledger.settle("a", report) for report in (None, spent(60, None), spent(40), spent(99), None)]

        assert outcomes == [True, True, True, False, False]
        assert await shop.used() == Amounts(tokens=40, cost=FOUR_MILLS)
        assert (await self.only(shop)).usage == Usage(input=20, output=20)

    async def test_what_was_never_reserved_is_not_settled(self, shop: Shop) -> None:
        assert not await shop.ledger.settle("a", spent())
        assert await shop.used() is None

    async def test_of_two_reports_at_once_one_counts(self, shop: Shop) -> None:
        await shop.fits("a")

        outcomes = await asyncio.gather(*(shop.ledger.settle("a", spent(40)) for _ in range(5)))

        assert outcomes == [True, False, False, False, False]
        assert await shop.used() == Amounts(tokens=40, cost=FOUR_MILLS)

    @pytest.mark.parametrize(
        "report",
        [spent(1 << 60), spent(cost="-1"), spent(cost="NaN"), Spent(usage=None, requests=-1)],
        ids=["tokens", "negative", "not a number", "requests"],
    )
    async def test_a_report_that_cannot_be_true_changes_nothing(self, shop: Shop, report: Spent) -> None:
        await shop.fits("a")
        await shop.fits("b")

        outcomes = await asyncio.gather(
            shop.ledger.settle("a", report), shop.ledger.settle("b", spent(40)), return_exceptions=True
        )

        assert isinstance(outcomes[0], InvalidValue)
        assert outcomes[1] is True
        assert await shop.used() == Amounts(requests=2, tokens=140, cost=14_000_000)
        assert await shop.ledger.settle("a", None)

    async def test_what_a_removed_owner_had_reserved_stays_as_an_estimate(self, shop: Shop) -> None:
        other = await join(shop.journal)
        await shop.fits("a")
        await shop.fits("settled")
        await shop.ledger.settle("settled", spent(40))
        await shop.fits("other", owner=other)

        await shop.journal.remove_owner(shop.owner)

        states = {kept.key: kept.state for kept in await shop.ledger.kept(7)}
        assert states == {
            "a": ReservationState.ESTIMATED,
            "settled": ReservationState.SETTLED,
            "other": ReservationState.RESERVED,
        }
        assert await shop.used() == Amounts(requests=3, tokens=240, cost=24_000_000)
        assert await shop.ledger.settle("a", spent(40))

    async def test_many_are_settled_at_once_as_one_by_one(self, shop: Shop) -> None:
        limits = Limits(requests_per_minute=100)
        for number in range(20):
            await shop.fits(f"a{number}", limits, task=number, scopes={f"s{number % 3}": limits, "all": limits})
            shop.clock.now += 7 * MINUTE // 60

        await asyncio.gather(*(shop.ledger.settle(f"a{number}", spent(number, "0")) for number in range(20)))

        assert await shop.used("all") == Amounts(requests=20, tokens=sum(range(20)))
        for scope in range(3):
            mine = range(scope, 20, 3)
            assert await shop.used(f"s{scope}") == Amounts(requests=len(mine), tokens=sum(mine))
        assert [kept.amounts.tokens for kept in await shop.ledger.kept(11)] == [11]
