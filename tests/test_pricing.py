"""What calls cost. The expected amounts are computed by hand from the providers' price lists."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext

import genai_prices
import pytest
from genai_prices import types as published
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.pricing import FREE, ModelPrice, PriceOverrides, most_it_can_cost, price_of, provider_at
from vera_orchestrator.usage import Usage

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
OWN = ModelPrice(
    input=Decimal(2), output=Decimal(8), cache_read=Decimal("0.5"), cache_write=Decimal("2.5"), reasoning=Decimal(10)
)

counts = st.integers(0, 400_000)
usages = st.builds(Usage, input=counts, output=counts, cache_read=counts, cache_write=counts, reasoning=counts)
prices = st.decimals(0, 1_000, places=4)
model_prices = st.builds(
    ModelPrice, input=prices, output=prices, cache_read=st.none() | prices, reasoning=st.none() | prices, request=prices
)


def _priced_by_the_token() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for provider in get_snapshot().providers:
        for info in provider.models:
            price = info.get_prices(NOON)
            # a name may be matched by another model first; only those that find themselves can be compared
            if price.input_mtok is not None and price.output_mtok is not None and provider.find_model(info.id) is info:
                found.append((provider.id, info.id))
    return found


listed_models = st.sampled_from(_priced_by_the_token())


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        # 2.50 in, 1.25 cached, 10 out
        ("openai", "gpt-4o", Usage(input=1_000_000, output=100_000), "3.50"),
        ("openai", "gpt-4o", Usage(input=200_000, cache_read=800_000, output=100_000), "2.50"),
        ("openai", "gpt-4o-2024-08-06", Usage(input=1, output=1), "0.0000125"),
        # 1.25 in, 0.125 cached, 10 out; reasoning is output
        ("openai", "gpt-5", Usage(input=10_000, output=1_000, reasoning=9_000), "0.1125"),
        # 3 in, 0.30 read, 3.75 written, 15 out
        (
            "anthropic",
            "claude-sonnet-4-0",
            Usage(input=10_000, cache_read=100_000, cache_write=20_000, output=2_000),
            "0.165",
        ),
        # 1.25 in and 10 out up to 200,000 tokens of input, then 2.50 and 15 for all of them
        ("google", "gemini-2.5-pro", Usage(input=200_000, output=1_000), "0.26"),
        ("google", "gemini-2.5-pro", Usage(input=200_001, output=1_000), "0.5150025"),
        # the tier goes by the whole input: 150,000 at 2.50, 100,000 at 0.25, 1,000 at 15
        ("google", "gemini-2.5-pro", Usage(input=150_000, cache_read=100_000, output=500, reasoning=500), "0.415"),
        # a fee of 12 per thousand requests, 1 in and 1 out
        ("perplexity", "sonar", Usage(input=1_000, output=1_000), "0.014"),
    ],
)
def test_a_call_costs_the_published_price(provider: str, model: str, usage: Usage, dollars: str) -> None:
    assert price_of(provider, model, usage, NOON) == Decimal(dollars)


def test_the_time_of_day_counts_where_the_provider_says_so() -> None:
    usage = Usage(input=1_000_000)
    at_night = price_of("deepseek", "deepseek-chat", usage, NOON.replace(hour=20))
    assert (at_night, price_of("deepseek", "deepseek-chat", usage, NOON)) == (Decimal("0.135"), Decimal("0.27"))


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("no-such-provider", "gpt-4o")])
def test_a_price_that_is_not_known_is_none_and_not_zero(provider: str, model: str) -> None:
    assert price_of(provider, model, Usage(input=1)) is None
    assert most_it_can_cost(provider, model, 1, 1) is None


def test_a_model_that_is_not_charged_by_the_token_has_no_known_price() -> None:
    assert price_of("openai", "whisper-1", Usage(input=10, output=10), NOON) is None


def test_tokens_of_a_kind_that_is_not_on_the_price_list_have_no_known_price() -> None:
    assert price_of("openai", "text-embedding-3-small", Usage(input=10, output=1), NOON) is None
    assert most_it_can_cost("openai", "text-embedding-3-small", 10, 1, NOON) is None


def test_an_embedding_costs_its_input() -> None:
    assert price_of("openai", "text-embedding-3-small", Usage(input=1_000_000), NOON) == Decimal("0.02")


def test_a_local_model_is_free_and_that_is_known() -> None:
    assert price_of("ollama", "llama3", Usage(input=10**9, output=10**9), override=FREE) == 0
    assert most_it_can_cost("ollama", "llama3", 10**9, 10**9, override=FREE) == 0


def test_a_price_that_was_set_replaces_the_published_one() -> None:
    usage = Usage(input=1_000, cache_read=2_000, cache_write=4_000, output=500, reasoning=100)
    # 0.002 + 0.001 + 0.01 + 0.004 + 0.001
    assert price_of("openai", "gpt-4o", usage, override=OWN) == Decimal("0.018")


def test_a_kind_without_a_price_costs_what_it_is_part_of() -> None:
    plain = ModelPrice(input=Decimal(1), output=Decimal(10))
    usage = Usage(cache_read=1_000_000, cache_write=1_000_000, reasoning=1_000_000)
    assert plain.cost(usage) == 12


def test_a_kind_whose_price_is_zero_costs_nothing() -> None:
    free_reads = ModelPrice(input=Decimal(1), output=Decimal(1), cache_read=Decimal(0))
    assert free_reads.cost(Usage(cache_read=1_000_000)) == 0


def test_one_price_per_thousand_tokens_holds_for_all_kinds() -> None:
    price = ModelPrice.per_thousand(0.03)
    assert price.cost(Usage(input=500, cache_read=500, output=500, reasoning=500)) == Decimal("0.06")


def test_the_models_own_override_goes_before_the_workers() -> None:
    overrides = PriceOverrides(worker=FREE, models={"gpt-4o": OWN})
    assert (overrides.of("gpt-4o"), overrides.of("other"), PriceOverrides().of("gpt-4o")) == (OWN, FREE, None)


@pytest.mark.parametrize("price", [Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_price_is_refused(price: Decimal) -> None:
    with pytest.raises(InvalidValue, match=r"price\.output"):
        ModelPrice(input=Decimal(1), output=price)


def test_a_part_of_a_nano_dollar_is_rounded_up() -> None:
    assert ModelPrice(input=Decimal("0.0001"), output=Decimal(0)).cost(Usage(input=1)) == Decimal("0.000000001")


def test_the_price_does_not_depend_on_the_programs_own_precision() -> None:
    with localcontext(prec=2):
        assert price_of("openai", "gpt-4o", Usage(input=123_457), NOON) == Decimal("0.3086425")


def test_a_reservation_knows_which_tier_its_input_can_reach() -> None:
    assert most_it_can_cost("google", "gemini-2.5-pro", 200_000, 0, NOON) == Decimal("0.25")
    assert most_it_can_cost("google", "gemini-2.5-pro", 400_000, 1_000, NOON) == Decimal("1.015")


def test_a_reservation_allows_for_the_dearest_cache_write_and_time_of_day() -> None:
    # written for an hour: 6 instead of 3
    assert most_it_can_cost("anthropic", "claude-sonnet-4-0", 1_000_000, 0, NOON) == 6
    assert most_it_can_cost("deepseek", "deepseek-chat", 1_000_000, 0, NOON.replace(hour=20)) == Decimal("0.27")


def test_a_reservation_allows_for_a_price_that_begins_within_a_day() -> None:
    eve = datetime(2026, 11, 30, 12, tzinfo=UTC)  # 2 until November, 4 from December on
    assert price_of("google", "gemini-4-argon", Usage(input=100_000), eve) == Decimal("0.2")
    assert most_it_can_cost("google", "gemini-4-argon", 100_000, 0, eve) == Decimal("0.4")
    assert most_it_can_cost("google", "gemini-4-argon", 100_000, 0, eve.replace(day=28)) == Decimal("0.2")


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("http://127.0.0.1:8080/v1", None),
    ],
)
def test_a_provider_is_known_by_its_address(address: str, provider: str | None) -> None:
    assert provider_at(address) == provider


@given(listed_models, usages)
def test_prices_equal_those_of_genai_prices(listed: tuple[str, str], usage: Usage) -> None:
    provider, model = listed
    theirs = genai_prices.calc_price(
        published.Usage(
            input_tokens=usage.whole_input,
            output_tokens=usage.whole_output,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write,
            output_reasoning_tokens=usage.reasoning,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=NOON,
    ).total_price
    ours = price_of(provider, model, usage, NOON)
    assert ours is not None
    assert 0 <= ours - theirs < Decimal("0.000000001")


@given(listed_models, usages, counts, counts, st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)))
def test_no_call_costs_more_than_was_reserved(
    listed: tuple[str, str], usage: Usage, spare_in: int, spare_out: int, at: datetime
) -> None:
    most = most_it_can_cost(*listed, usage.whole_input + spare_in, usage.whole_output + spare_out, at)
    cost = price_of(*listed, usage, at)
    assert most is not None
    assert cost is not None
    assert cost <= most


@given(model_prices, usages)
def test_no_call_at_a_price_that_was_set_costs_more_than_was_reserved(price: ModelPrice, usage: Usage) -> None:
    assert price.cost(usage) <= price.most(usage.whole_input, usage.whole_output)


@given(model_prices, usages, usages)
def test_more_tokens_never_cost_less(price: ModelPrice, usage: Usage, more: Usage) -> None:
    assert price.cost(usage) <= price.cost(usage + more)
