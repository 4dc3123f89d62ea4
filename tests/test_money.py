"""Decimal USD, and whole nano-dollars to add up."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.money import from_nanos, limit_nanos, shown, to_nanos, usd


def test_a_float_means_what_it_is_written_as() -> None:
    assert usd(0.1) == Decimal("0.1")


def test_spending_is_rounded_up_and_a_limit_down() -> None:
    amount = Decimal("0.0000000011")
    assert (to_nanos(amount), limit_nanos(amount)) == (2, 1)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", -0.01, "ten", True, "1e999999", 2_000_000_000])
def test_what_is_not_an_amount_is_refused(value: str | float) -> None:
    with pytest.raises(InvalidValue, match="price"):
        usd(value, field="price")


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0.00 USD"), (1_200_000_000, "1.20 USD"), (1, "0.000000001 USD"), (12_345_000, "0.012345 USD")],
)
def test_people_see_all_digits_that_matter(nanos: int, text: str) -> None:
    assert shown(nanos) == text


@given(st.integers(0, 10**18))
def test_nano_dollars_come_back_exactly_under_any_context(nanos: int) -> None:
    with localcontext(prec=3):
        assert to_nanos(from_nanos(nanos)) == limit_nanos(from_nanos(nanos)) == nanos
