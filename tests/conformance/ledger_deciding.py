"""What the ledger promises about reservations: what fits, what waits and until when, and what never fits."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.conformance.ledger_rows import HOUR, MINUTE, NOON, Shop, amounts, spent
from vera_orchestrator.errors import InvalidValue, LeaseLost
from vera_orchestrator.quota import Fits, Limits, Never, Rate, WaitUntil
from vera_orchestrator.windows import SECOND

ONE_A_MINUTE = Limits(requests_per_minute=1)


class LimitSuite:
    """Windows and their limits."""

    async def test_what_fits_is_counted_from_now_on(self, shop: Shop) -> None:
        outcome = await shop.fits("a", ONE_A_MINUTE)

        assert outcome == Fits(at=NOON, amounts=amounts(), scopes=("key",))
        assert await shop.used() == amounts()

    async def test_a_wait_ends_when_enough_has_left_the_window_and_not_a_microsecond_before(self, shop: Shop) -> None:
        await shop.fits("a", ONE_A_MINUTE)

        wait = await shop.waits("b", ONE_A_MINUTE)
        shop.clock.now = wait.time - 1
        assert await shop.waits("b", ONE_A_MINUTE) == wait
        shop.clock.now = wait.time

        await shop.fits("b", ONE_A_MINUTE)
        assert NOON + MINUTE <= wait.time < NOON + MINUTE + SECOND
        assert wait.scope == "key"
        assert wait.any_size
        assert "1 of 1 requests per minute used or reserved" in wait.reason

    async def test_an_hour_is_waited_for_up_to_a_minute_longer(self, shop: Shop) -> None:
        limits = Limits(requests_per_hour=1)
        await shop.fits("a", limits)

        assert NOON + HOUR <= (await shop.waits("b", limits)).time < NOON + HOUR + MINUTE

    async def test_a_day_ends_at_midnight_of_its_zone(self, shop: Shop) -> None:
        limits = Limits(tokens_per_day=150, zone="Europe/Berlin")
        await shop.fits("a", limits)

        wait = await shop.waits("b", limits)

        assert wait.time == NOON + 10 * HOUR
        assert not wait.any_size

    async def test_slack_makes_the_window_longer(self, shop: Shop) -> None:
        await shop.fits("a", ONE_A_MINUTE)
        plain = await shop.waits("b", ONE_A_MINUTE)
        longer = await shop.waits("b", ONE_A_MINUTE, slack=5 * SECOND)

        shop.clock.now = longer.time - 1

        assert longer.time == plain.time + 5 * SECOND
        assert await shop.waits("b", ONE_A_MINUTE, slack=5 * SECOND) == longer
        await shop.fits("b", ONE_A_MINUTE)

    async def test_the_oldest_leave_first(self, shop: Shop) -> None:
        limits = Limits(tokens_per_minute=300)
        for number in range(3):
            shop.clock.now = NOON + number * 10 * SECOND
            await shop.fits(f"a{number}", limits)

        wait = await shop.waits("b", limits, amounts=amounts(tokens=200))

        assert NOON + 10 * SECOND + MINUTE <= wait.time < NOON + 11 * SECOND + MINUTE

    async def test_of_several_limits_that_have_no_room_the_latest_time_is_the_answer(self, shop: Shop) -> None:
        scopes = {"near": ONE_A_MINUTE, "far": Limits(requests_per_hour=1)}
        await shop.fits("a", scopes=scopes)

        wait = await shop.waits("b", scopes=scopes)

        assert wait.scope == "far"
        assert wait.time >= NOON + HOUR

    async def test_it_fits_in_all_scopes_or_is_reserved_in_none(self, shop: Shop) -> None:
        await shop.fits("a", scopes={"full": ONE_A_MINUTE})

        await shop.waits("b", scopes={"free": Limits(), "full": ONE_A_MINUTE})

        assert await shop.used("free") is None
        assert await shop.ledger.kept(7) == [kept for kept in await shop.ledger.kept(7) if kept.key == "a"]

    async def test_uses_count_whatever_limits_they_came_with(self, shop: Shop) -> None:
        await shop.fits("a")

        await shop.waits("b", ONE_A_MINUTE)

    @pytest.mark.parametrize("limits", [Limits(tokens_per_day=99), Limits(cost_per_day=Decimal("0.009"))])
    async def test_what_is_larger_than_a_limit_never_fits(self, shop: Shop, limits: Limits) -> None:
        outcome = await shop.ledger.reserve(shop.booking("a", limits))

        assert isinstance(outcome, Never)
        assert await shop.used() is None

    async def test_an_unknown_cost_fits_no_limit_of_money_and_adds_nothing_elsewhere(self, shop: Shop) -> None:
        unpriced = amounts(cents=None)
        priced = Limits(cost_per_day=Decimal(1))

        assert isinstance(await shop.ledger.reserve(shop.booking("a", priced, amounts=unpriced)), Never)
        await shop.fits("b", amounts=unpriced)

        assert await shop.used() == amounts(cents=0)
        assert [kept.amounts for kept in await shop.ledger.kept(7)] == [unpriced]

    async def test_uses_of_a_time_to_come_count_after_the_clock_was_set_back(self, shop: Shop) -> None:
        await shop.fits("a", ONE_A_MINUTE)
        shop.clock.now -= HOUR

        assert (await shop.waits("b", ONE_A_MINUTE)).time >= NOON + MINUTE

    async def test_bookings_at_the_same_time_do_not_pass_a_limit(self, shop: Shop) -> None:
        limits = Limits(tokens_per_day=750)

        bookings = [shop.booking(f"a{number}", limits) for number in range(40)]
        outcomes = await asyncio.gather(*map(shop.ledger.reserve, bookings))

        assert [type(outcome) for outcome in outcomes] == [Fits] * 7 + [WaitUntil] * 33
        assert await shop.used() == amounts(requests=7, tokens=700, cents=7)


class RateSuite:
    """Rates with a burst."""

    async def test_after_the_burst_one_comes_at_a_time(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=2.0, burst=3.0)}
        for number in range(3):
            await shop.fits(f"a{number}", rates=rates)

        wait = await shop.waits("b", rates=rates)

        assert NOON + SECOND // 2 <= wait.time <= NOON + SECOND // 2 + 2
        assert (wait.scope, wait.any_size) == ("rate", True)
        assert "rate: the rate of 120 per minute is used up" in wait.reason
        shop.clock.now = wait.time
        await shop.fits("b", rates=rates)
        assert (await shop.waits("c", rates=rates)).time > wait.time

    async def test_no_token_is_taken_by_what_has_to_wait_for_a_limit(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=0.001, burst=2.0)}
        await shop.fits("a", ONE_A_MINUTE, rates=rates)
        await shop.waits("b", ONE_A_MINUTE, rates=rates)

        await shop.fits("c", rates=rates)

        await shop.waits("d", rates=rates)

    async def test_no_limit_is_used_by_what_has_to_wait_for_a_token(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=0.001, burst=1.0)}
        await shop.fits("a", rates=rates)
        await shop.waits("b", rates=rates)

        assert await shop.used() == amounts()

    async def test_a_clock_that_is_set_back_gives_no_tokens(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=1.0, burst=1.0)}
        await shop.fits("a", rates=rates)
        shop.clock.now -= MINUTE

        wait = await shop.waits("b", rates=rates)

        assert wait.time >= NOON + SECOND

    async def test_a_rate_that_gives_nothing_is_said_to_give_nothing(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=0.0, burst=1.0)}
        await shop.fits("a", rates=rates)

        outcome = await shop.ledger.reserve(shop.booking("b", rates=rates))

        assert isinstance(outcome, Never)

    async def test_bookings_at_the_same_time_do_not_pass_a_rate(self, shop: Shop) -> None:
        rates = {"rate": Rate(per_second=1.0, burst=5.0)}

        bookings = [shop.booking(f"a{number}", rates=rates) for number in range(20)]
        outcomes = await asyncio.gather(*map(shop.ledger.reserve, bookings))

        assert [isinstance(outcome, Fits) for outcome in outcomes] == [True] * 5 + [False] * 15


class BookingSuite:
    """A booking as such."""

    async def test_the_same_booking_again_is_granted_and_not_counted_twice(self, shop: Shop) -> None:
        first = await shop.fits("a", ONE_A_MINUTE)
        shop.clock.now += SECOND

        assert await shop.fits("a", ONE_A_MINUTE) == first
        await asyncio.gather(shop.fits("b"), shop.fits("b"))

        assert await shop.used() == amounts(requests=2, tokens=200, cents=2)

    async def test_nothing_is_reserved_for_an_owner_that_was_removed(self, shop: Shop) -> None:
        await shop.journal.remove_owner(shop.owner)

        outcomes = await asyncio.gather(
            *(shop.ledger.reserve(shop.booking(key)) for key in "ab"), return_exceptions=True
        )

        assert [type(outcome) for outcome in outcomes] == [LeaseLost, LeaseLost]
        assert await shop.used() is None

    async def test_one_that_cannot_be_held_does_not_spoil_its_neighbours(self, shop: Shop) -> None:
        bookings = [shop.booking("a"), shop.booking("b\0"), shop.booking("c", amounts=amounts(tokens=1 << 60))]

        outcomes = await asyncio.gather(*map(shop.ledger.reserve, bookings), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [Fits, InvalidValue, InvalidValue]
        await shop.ledger.settle("a", spent())
        assert await shop.used() is not None
