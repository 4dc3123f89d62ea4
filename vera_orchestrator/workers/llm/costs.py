"""What the calls of one worker cost: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from vera_orchestrator.pricing import ModelPrice, PriceOverrides, most_it_can_cost, price_of
from vera_orchestrator.usage import Usage

NO_OVERRIDES = PriceOverrides()


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Prices, the first that is known: those that were set, the adapter's own, those that `provider` publishes."""

    overrides: PriceOverrides = NO_OVERRIDES
    own: ModelPrice | None = None
    provider: str | None = None

    def of(self, usage: Usage, *, asked: str, answered: str | None = None) -> Decimal | None:
        """Return the price of a call in USD by the model that was asked for and the one that answered; None: unknown.

        A price that was set goes by either name, a published one first by that of the model that answered.
        """
        names = [asked] if answered in (None, asked) else [answered, asked]
        fixed = self._fixed(asked, answered)
        for name in names:
            cost = self._cost(name, usage, fixed)
            if cost is not None:
                return cost
        return None

    def most(self, model: str, tokens_in: int, tokens_out: int) -> Decimal | None:
        """Return an amount in USD that no call within these numbers of tokens passes; None: not known."""
        fixed = self._fixed(model)
        if fixed is None and self.provider is None:
            return None
        return most_it_can_cost(self.provider or "", listed_name(model), tokens_in, tokens_out, override=fixed)

    def expected(self, model: str | None, tokens_in: float, tokens_out: float) -> float:
        """Return about what so many tokens cost, in USD; infinite where it is not known."""
        usage = Usage(input=int(tokens_in), output=int(tokens_out))
        cost = self._cost(model or "", usage, self._fixed(model or ""))
        return math.inf if cost is None else float(cost)

    def _fixed(self, asked: str, answered: str | None = None) -> ModelPrice | None:
        models = self.overrides.models
        by_name = models.get(asked) or (models.get(answered) if answered else None)
        return by_name or self.overrides.worker or self.own

    def _cost(self, model: str, usage: Usage, fixed: ModelPrice | None) -> Decimal | None:
        if fixed is None and (self.provider is None or not model):
            return None
        return price_of(self.provider or "", listed_name(model), usage, override=fixed)


def listed_name(model: str) -> str:
    """Return a model's name as price lists have it."""
    return model.removeprefix("models/")
