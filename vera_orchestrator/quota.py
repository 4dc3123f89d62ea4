"""Limits on use over time, as pure values."""

from __future__ import annotations


class TokenBucket:
    """A rate with a burst.

    `rate_per_minute` tokens come back each minute, up to `burst` (a sixth of the minute's, at least 10). Times are
    seconds of any steady clock.
    """

    def __init__(self, rate_per_minute: float, *, now: float, burst: float | None = None) -> None:
        self.rate = rate_per_minute / 60
        self.burst = burst if burst is not None else max(10.0, rate_per_minute / 6)
        self._tokens = self.burst
        self._at = now

    def available(self, now: float) -> float:
        """Return the tokens there are."""
        return min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        tokens = self.available(now)
        self._at = max(now, self._at)
        # a millionth is forgiven, so that a wait computed by `ready_at` is always long enough
        self._tokens = tokens - 1 if tokens >= 1 - 1e-6 else tokens
        return tokens >= 1 - 1e-6

    def ready_at(self, now: float) -> float:
        """Return the time at which a token will be there."""
        missing = 1 - self.available(now)
        return now if missing <= 0 else now + missing / self.rate
