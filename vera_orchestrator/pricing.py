"""The price of a call: the published one of its model, or one that was set.

Published prices come with the package genai-prices and need no network. A price that is not known is None, never 0;
kinds of workers that cost nothing (Ollama, other local servers) give `FREE` as their own price.
Amounts are decimal USD, rounded up to whole nano-dollars (see money.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from vera_orchestrator.models import utcnow
from vera_orchestrator.money import EXACT, from_nanos, to_nanos, usd
from vera_orchestrator.usage import Usage

if TYPE_CHECKING:
    from genai_prices import types as published

MILLION = Decimal(1_000_000)
THOUSAND = Decimal(1_000)
ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPrice:
    """USD per million tokens of each kind, and per request.

    A kind without a price of its own costs what it is part of: cached tokens as input, reasoning as output. Raises
    InvalidValue for a price that is not finite or is negative.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal = ZERO

    def __post_init__(self) -> None:
        """Check the prices, and read those that are written as text or numbers."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                object.__setattr__(self, each.name, usd(value, field=f"price.{each.name}"))

    @classmethod
    def per_thousand(cls, price: Decimal | float | str) -> Self:
        """Return one price, in USD per thousand tokens, for all kinds."""
        per_million = EXACT.multiply(usd(price, field="price"), THOUSAND)
        return cls(input=per_million, output=per_million)

    def cost(self, usage: Usage) -> Decimal:
        """Return the price of a call, in USD."""
        cache_read = self.input if self.cache_read is None else self.cache_read
        cache_write = self.input if self.cache_write is None else self.cache_write
        reasoning = self.output if self.reasoning is None else self.reasoning
        return _total(
            (self.input, usage.input),
            (cache_read, usage.cache_read),
            (cache_write, usage.cache_write),
            (self.output, usage.output),
            (reasoning, usage.reasoning),
            (EXACT.multiply(self.request, MILLION), 1),
        )

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """Return the most that so many tokens can cost, whatever kinds they turn out to be; in USD."""
        dearest_in = max(price for price in (self.input, self.cache_read, self.cache_write) if price is not None)
        dearest_out = max(price for price in (self.output, self.reasoning) if price is not None)
        return _total((dearest_in, tokens_in), (dearest_out, tokens_out), (EXACT.multiply(self.request, MILLION), 1))


FREE = ModelPrice(input=ZERO, output=ZERO)


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceOverrides:
    """Prices set for one worker: `models` by the model's name, `worker` for all others."""

    worker: ModelPrice | None = None
    models: Mapping[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])

    def of(self, model: str) -> ModelPrice | None:
        """Return the price that was set for a model; None where the published one holds."""
        return self.models.get(model, self.worker)


def price_of(
    provider: str, model: str, usage: Usage, at: datetime | None = None, override: ModelPrice | None = None
) -> Decimal | None:
    """Return the price of a call in USD; None if it is not known.

    `provider` is a name that genai-prices knows (openai, anthropic, google, …), `at` the time of the call (None: now).
    Long prompts are charged by the tier that their whole input falls in, cached tokens included.
    """
    if override is not None:
        return override.cost(usage)
    info = _find(provider, model)
    if info is None:
        return None
    listed = info.get_prices(at or utcnow())
    price = _flat(listed, {name: _rate(listed, name, usage.whole_input) for name in _KINDS})
    if price is None or not _covers(listed, usage.whole_input, usage.whole_output):
        return None
    return price.cost(usage)


def most_it_can_cost(
    provider: str,
    model: str,
    input_upper_bound: int,
    max_output: int,
    at: datetime | None = None,
    override: ModelPrice | None = None,
) -> Decimal | None:
    """Return an amount in USD that no call within these numbers of tokens passes; None if the price is not known.

    The dearest of all that may apply: tiers up to the bound, cache writes of either lifetime, images, times of day,
    and a price that begins within a day. `max_output` holds the reasoning.
    """
    if override is not None:
        return override.most(input_upper_bound, max_output)
    info = _find(provider, model)
    if info is None:
        return None
    worst: Decimal | None = None
    for listed in _that_may_apply(info, at or utcnow()):
        price = _flat(listed, {name: _dearest(listed, name, input_upper_bound) for name in _KINDS})
        if price is None or not _covers(listed, input_upper_bound, max_output):
            return None
        most = price.most(input_upper_bound, max_output)
        worst = most if worst is None else max(worst, most)
    return worst


def provider_at(base_url: str) -> str | None:
    """Return the name of the provider whose API has this address; None for gateways and servers of one's own."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider(None, None, base_url).id
    except LookupError:
        return None


# what genai-prices calls the kinds of tokens, with the names that a bound takes in too
_KINDS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok", "input_image_mtok"),
    "output": ("output_mtok", "output_image_mtok"),
    "cache_read": ("cache_read_mtok",),
    "cache_write": ("cache_write_mtok", "cache_write_1h_mtok"),
    "reasoning": ("output_reasoning_mtok",),
    "request": ("requests_kcount",),
}


def _find(provider: str, model: str) -> published.ModelInfo | None:
    # imported late: it takes 0.2 s. The snapshot's own lookups keep every name ever asked for, and names come from
    # tasks; the search without them takes 20 to 60 µs.
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    providers = get_snapshot().providers
    found = find_provider_by_id(providers, provider)
    return found.find_model(model, all_providers=providers) if found else None


def _that_may_apply(info: published.ModelInfo, at: datetime) -> list[published.ModelPrice]:
    from genai_prices.types import TimeOfDateConstraint

    by_hour: list[published.ModelPrice] = []
    if isinstance(info.prices, list):
        by_hour = [one.prices for one in info.prices if isinstance(one.constraint, TimeOfDateConstraint)]
    return [info.get_prices(at), info.get_prices(at + timedelta(days=1)), *by_hour]


def _covers(listed: published.ModelPrice, tokens_in: int, tokens_out: int) -> bool:
    """Whether what is used has a price by the token; some models are charged by the second, page or character."""
    return not (tokens_in and listed.input_mtok is None) and not (tokens_out and listed.output_mtok is None)


def _flat(listed: published.ModelPrice, rates: Mapping[str, Decimal | None]) -> ModelPrice | None:
    if listed.input_mtok is None and listed.output_mtok is None:
        return None
    return ModelPrice(
        input=rates["input"] or ZERO,
        output=rates["output"] or ZERO,
        cache_read=rates["cache_read"],
        cache_write=rates["cache_write"],
        reasoning=rates["reasoning"],
        request=EXACT.divide(rates["request"] or ZERO, THOUSAND),
    )


def _rate(listed: published.ModelPrice, kind: str, prompt: int) -> Decimal | None:
    value: published.TieredPrices | Decimal | None = getattr(listed, _KINDS[kind][0])
    if value is None or isinstance(value, Decimal):
        return value
    # the tiers ascend, and the last that is passed holds for all tokens
    return next((tier.price for tier in reversed(value.tiers) if prompt > tier.start), value.base)


def _dearest(listed: published.ModelPrice, kind: str, prompt: int) -> Decimal | None:
    rates: list[Decimal] = []
    for name in _KINDS[kind]:
        value: published.TieredPrices | Decimal | None = getattr(listed, name)
        if isinstance(value, Decimal):
            rates.append(value)
        elif value is not None:
            rates += [value.base, *(tier.price for tier in value.tiers if prompt > tier.start)]
    return max(rates, default=None)


def _total(*parts: tuple[Decimal, int]) -> Decimal:
    total = ZERO
    for per_million, count in parts:
        total = EXACT.fma(per_million, Decimal(count), total)
    return from_nanos(to_nanos(EXACT.divide(total, MILLION)))
