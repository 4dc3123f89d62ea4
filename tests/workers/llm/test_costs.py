"""What recorded usages cost at the published prices; each amount is worked out by hand beside it, in USD."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from vera_orchestrator.pricing import FREE, ModelPrice, PriceOverrides
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.costs import Costs

OPENAI, ANTHROPIC, GOOGLE = (Costs(provider=name) for name in ("openai", "anthropic", "google"))
OLLAMA = Costs(own=FREE)
OWN = ModelPrice(input=Decimal(4), output=Decimal(16))


@pytest.mark.parametrize(
    ("costs", "model", "usage", "dollars"),
    [
        # 1,200 at 2.50 a million and 350 at 10: 0.003 + 0.0035
        (OPENAI, "gpt-4o", Usage(input=1_200, output=350), "0.0065"),
        # 176 at 2.50, 1,024 cached at 1.25, 350 at 10: 0.00044 + 0.00128 + 0.0035
        (OPENAI, "gpt-4o", Usage(input=176, cache_read=1_024, output=350), "0.00522"),
        # 90,000 at 0.15 and 2,000 at 0.60: 0.0135 + 0.0012
        (OPENAI, "gpt-4o-mini", Usage(input=90_000, output=2_000), "0.0147"),
        # 5,000 at 2, 45,000 cached at 0.50, 1,000 at 8: 0.01 + 0.0225 + 0.008
        (OPENAI, "gpt-4.1", Usage(input=5_000, cache_read=45_000, output=1_000), "0.0405"),
        # 800 at 1.25, 200 and 6,400 of reasoning at 10: 0.001 + 0.002 + 0.064
        (OPENAI, "gpt-5", Usage(input=800, output=200, reasoning=6_400), "0.067"),
        # 2,000 at 0.25, 8,000 cached at 0.025, 500 and 1,500 of reasoning at 2: 0.0005 + 0.0002 + 0.001 + 0.003
        (OPENAI, "gpt-5-mini", Usage(input=2_000, cache_read=8_000, output=500, reasoning=1_500), "0.0047"),
        # 3,000 at 1.10, 100 and 900 of reasoning at 4.40: 0.0033 + 0.00044 + 0.00396
        (OPENAI, "o4-mini", Usage(input=3_000, output=100, reasoning=900), "0.0077"),
        # 272,000 is not above the tier: at 2.50, and 1,000 at 15: 0.68 + 0.015
        (OPENAI, "gpt-5.4", Usage(input=272_000, output=1_000), "0.695"),
        # 300,000 in all is above it: 100,000 at 5, 200,000 cached at 0.50, 1,000 at 22.50: 0.5 + 0.1 + 0.0225
        (OPENAI, "gpt-5.4", Usage(input=100_000, cache_read=200_000, output=1_000), "0.6225"),
        # 40,000 at 0.02
        (OPENAI, "text-embedding-3-small", Usage(input=40_000), "0.0008"),
        # 2,500 at 1 and 600 at 5: 0.0025 + 0.003
        (ANTHROPIC, "claude-haiku-4-5", Usage(input=2_500, output=600), "0.0055"),
        # 500 at 1, 20,000 read at 0.10, 4,000 written at 1.25, 100 at 5: 0.0005 + 0.002 + 0.005 + 0.0005
        (ANTHROPIC, "claude-haiku-4-5", Usage(input=500, cache_read=20_000, cache_write=4_000, output=100), "0.008"),
        # 10,000 at 3, 300 and 1,700 of thinking at 15: 0.03 + 0.0045 + 0.0255
        (ANTHROPIC, "claude-sonnet-4-5", Usage(input=10_000, output=300, reasoning=1_700), "0.06"),
        # 250,000 in all: 50,000 at 6, 180,000 read at 0.60, 20,000 written at 7.50, 2,000 at 22.50:
        # 0.3 + 0.108 + 0.15 + 0.045
        (
            ANTHROPIC,
            "claude-sonnet-4-5",
            Usage(input=50_000, cache_read=180_000, cache_write=20_000, output=2_000),
            "0.603",
        ),
        # 1,000 at 15 and 1,000 at 75: 0.015 + 0.075
        (ANTHROPIC, "claude-opus-4-1", Usage(input=1_000, output=1_000), "0.09"),
        # 4,000 at 0.30, 120 and 880 of thoughts at 2.50: 0.0012 + 0.0003 + 0.0022
        (GOOGLE, "gemini-2.5-flash", Usage(input=4_000, output=120, reasoning=880), "0.0037"),
        # 10,000 at 0.10, 90,000 cached at 0.01, 500 at 0.40: 0.001 + 0.0009 + 0.0002
        (GOOGLE, "gemini-2.5-flash-lite", Usage(input=10_000, cache_read=90_000, output=500), "0.0021"),
        # 250,000 in all: 50,000 at 2.50, 200,000 cached at 0.25, 1,000 and 3,000 of thoughts at 15:
        # 0.125 + 0.05 + 0.015 + 0.045
        (GOOGLE, "gemini-2.5-pro", Usage(input=50_000, cache_read=200_000, output=1_000, reasoning=3_000), "0.235"),
        # a machine of one's own
        (OLLAMA, "llama3.2", Usage(input=1_000_000, output=1_000_000), "0"),
        (OLLAMA, "gpt-4o", Usage(input=12, output=34, reasoning=56), "0"),
    ],
)
def test_a_recorded_usage_costs_the_published_price(costs: Costs, model: str, usage: Usage, dollars: str) -> None:
    assert costs.of(usage, asked=model) == Decimal(dollars)


def test_a_price_that_was_set_for_a_model_goes_before_all_others() -> None:
    overrides = PriceOverrides(worker=ModelPrice.per_thousand("0.5"), models={"m": OWN})
    costs = Costs(overrides=overrides, own=FREE, provider="openai")
    # 1,000 at 4 and 1,000 at 16 a million; else 2,000 at 0.5 a thousand
    usage = Usage(input=1_000, output=1_000)
    assert costs.of(usage, asked="m") == Decimal("0.02")
    assert costs.of(usage, asked="alias", answered="m") == Decimal("0.02")
    assert costs.of(usage, asked="gpt-4o") == 1
    assert costs.most("m", 1_000, 1_000) == Decimal("0.02")


def test_a_model_costs_what_the_one_that_answered_costs_and_else_what_was_asked_for() -> None:
    usage = Usage(input=1_000_000)
    assert OPENAI.of(usage, asked="my-alias", answered="gpt-4o-mini") == Decimal("0.15")
    assert OPENAI.of(usage, asked="gpt-4o-mini", answered="no-such-model") == Decimal("0.15")
    assert GOOGLE.of(usage, asked="models/gemini-2.5-flash") == Decimal("0.3")


def test_what_is_not_known_is_none_and_for_ordering_infinite() -> None:
    for costs in (Costs(), OPENAI):
        assert costs.of(Usage(input=1), asked="no-such-model") is None
        assert costs.most("no-such-model", 1, 1) is None
        assert costs.expected("no-such-model", 1, 1) == math.inf
        assert costs.expected(None, 1, 1) == math.inf
    assert OLLAMA.expected(None, 1, 1) == 0
    assert OPENAI.expected("gpt-4o", 1_000, 1_000) == pytest.approx(0.0125)
