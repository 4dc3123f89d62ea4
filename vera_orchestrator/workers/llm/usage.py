"""What one credential has used, as this process knows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from vera_orchestrator.models import utcnow

ZERO = Decimal(0)


class UsageCounter:
    """Requests, tokens and money (USD), in all and per calendar day (UTC). Kept in memory only: a restart loses it."""

    def __init__(self, clock: Callable[[], datetime] = utcnow) -> None:
        self._clock = clock
        self._day: date | None = None
        self._requests = 0
        self._tokens = 0
        self._cost = ZERO
        self.total_tokens = 0
        self.total_cost = ZERO
        self.last_request: datetime | None = None

    def add_request(self) -> None:
        """Count a request that may have reached the provider."""
        self._turn()
        self._requests += 1
        self.last_request = self._clock()

    def add_spending(self, tokens: int | None, cost: Decimal | None) -> None:
        """Count what a request has used, as far as it is known."""
        self._turn()
        self._tokens += tokens or 0
        self._cost += cost or ZERO
        self.total_tokens += tokens or 0
        self.total_cost += cost or ZERO

    @property
    def requests_today(self) -> int:
        """Requests since midnight."""
        self._turn()
        return self._requests

    @property
    def tokens_today(self) -> int:
        """Tokens since midnight."""
        self._turn()
        return self._tokens

    @property
    def cost_today(self) -> Decimal:
        """USD since midnight."""
        self._turn()
        return self._cost

    def _turn(self) -> None:
        today = self._clock().date()
        if today != self._day:
            self._day, self._requests, self._tokens, self._cost = today, 0, 0, ZERO
