"""When a server process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass

HEALTHY_SECONDS = 60
MAX_FAILED_STARTS = 2
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Restarts:
    """The ends so far: `failures` short lives in a row, and whether any life was long (`proven`).

    `failed_start` is set when the last life ended by itself with an error, not by a signal.
    """

    failures: int = 0
    proven: bool = False
    failed_start: bool = False

    def after(self, *, code: int, lived: float) -> Restarts:
        """Return what is known after one more end: its exit code (negative: a signal) and its life in seconds."""
        healthy = lived >= HEALTHY_SECONDS
        return Restarts(
            failures=1 if healthy else self.failures + 1,
            proven=self.proven or healthy,
            failed_start=code > 0,
        )

    @property
    def delay(self) -> float | None:
        """Seconds until the next start; None: it never ran and fails each time, so another start would not help."""
        if self.failed_start and not self.proven and self.failures >= MAX_FAILED_STARTS:
            return None
        if self.failures <= 1:
            return 0.0
        # The exponent is bounded so that a long row of failures does not overflow.
        return min(FIRST_DELAY_SECONDS * 2 ** min(self.failures - 2, 10), MAX_DELAY_SECONDS)
