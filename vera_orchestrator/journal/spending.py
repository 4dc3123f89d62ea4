"""What people ask of the ledger: what was spent, and how much of the limits is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vera_orchestrator.quota import Limit
from vera_orchestrator.usage import Usage


class Dimension(StrEnum):
    """What spending can be told apart by."""

    WORKER = "worker"
    PROVIDER = "provider"
    MODEL = "model"
    CALLER = "caller"
    TAG = "tag"


@dataclass(frozen=True, kw_only=True, slots=True)
class SpendingQuery:
    """Which spending, and told apart by what.

    `periods` are stretches of time, from a microsecond since 1970 up to and without another, each told apart; `caller`
    None is everybody. By tag, an attempt with several tags is in the spending of each of them.
    """

    periods: Sequence[tuple[int, int]]
    by: frozenset[Dimension] = frozenset()
    caller: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What was used in one period by what has these names in common; a name that was not asked for is None.

    `tokens` and `cost` (nano-dollars) hold what is reserved or estimated too, `usage` what was reported. Of the
    requests, `estimated_requests` may yet turn out to have used something else, and `unpriced_requests` add no cost
    since their price is not known.
    """

    period: int = 0
    worker_id: str | None = None
    provider: str | None = None
    model: str | None = None
    caller: str | None = None
    tag: str | None = None
    requests: int = 0
    tokens: int = 0
    cost: int = 0
    usage: Usage = field(default_factory=Usage)
    estimated_requests: int = 0
    unpriced_requests: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was used: what never reached a provider is kept too."""
        return not (self.requests or self.tokens or self.cost)

    def __add__(self, other: Spending) -> Spending:
        """Return both together under the names of this one."""
        return replace(
            self,
            requests=self.requests + other.requests,
            tokens=self.tokens + other.tokens,
            cost=self.cost + other.cost,
            usage=self.usage + other.usage,
            estimated_requests=self.estimated_requests + other.estimated_requests,
            unpriced_requests=self.unpriced_requests + other.unpriced_requests,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How much of a limit is used; `resets_at` is when all of that no longer counts, None where nothing is used."""

    scope: str
    limit: Limit
    used: int
    resets_at: int | None

    @property
    def remaining(self) -> int:
        """What is left."""
        return max(0, self.limit.most - self.used)
