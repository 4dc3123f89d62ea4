"""What a metered worker says about one attempt: the most that it may use, and what it has used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from vera_orchestrator.models import StreamChunk
from vera_orchestrator.quota import Limits, Rate
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.usage import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The most that one attempt may use, and what it counts against.

    `amounts` are upper bounds. `credential` names the key at its provider, whoever registered it, and is the scope of
    the worker's own limits; `provider` is the kind. `limits` and `rates` are those of the worker, by scope.
    `prepared` is for the worker alone: the attempt that was admitted with this demand finds it in its channel.
    """

    credential: str
    provider: str
    model: str
    amounts: Amounts
    limits: Mapping[str, Limits] = field(default_factory=dict[str, Limits])
    rates: Mapping[str, Rate] = field(default_factory=dict[str, Rate])
    prepared: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What an attempt has used: `usage` None where nobody reported it, `cost` (USD) None where it is not known."""

    usage: Usage | None
    cost: Decimal | None = None
    requests: int = 1


NOT_SENT = Spent(usage=Usage(), cost=Decimal(0), requests=0)
"""Nothing reached the provider."""
REFUSED = Spent(usage=Usage(), cost=Decimal(0))
"""The provider has seen the request and done nothing for it."""


class Channel:
    """What an attempt says while it runs; `listener` gets the chunks of its answer, in order, and must not block.

    So does `observer`, who puts up with an attempt that is repeated.

    `spent` is the last report; None, nothing was said: then what was reserved counts as used. Without
    `streams_for_progress` the task's `on_progress` is told only of what comes in pieces anyway. `prepared` is the
    demand's.
    """

    def __init__(
        self,
        listener: Callable[[StreamChunk], None] | None = None,
        observer: Callable[[StreamChunk], None] | None = None,
    ) -> None:
        self._listener = listener
        self._observer = observer
        self.spent: Spent | None = None
        self.streams_for_progress = True
        self.has_begun = False
        self.prepared: object = None

    @property
    def wants_chunks(self) -> bool:
        """Whether somebody listens."""
        return self._listener is not None or self._observer is not None

    def report(self, spent: Spent) -> None:
        """Say what was used so far; a later report replaces an earlier one."""
        self.spent = spent

    def emit(self, chunk: StreamChunk) -> None:
        """Hand out a chunk: from now on the attempt cannot be repeated without the listener seeing it."""
        if self._listener is not None:
            self.has_begun = True
            self._listener(chunk)
        if self._observer is not None:
            self._observer(chunk)


def credential_scope(credential: str) -> str:
    """Return the scope under which the use of a credential is counted."""
    return f"credential:{credential}"
