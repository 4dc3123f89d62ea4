"""The record of requests, tokens and money, as a port.

Times are microseconds since 1970 by the store's own clock, money is in nano-dollars. A reservation belongs to an owner;
when that is removed, what it had open stays as an estimate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from vera_orchestrator.journal.spending import Spending, SpendingQuery, Standing
from vera_orchestrator.metering import Spent
from vera_orchestrator.quota import Fits, Limits, Never, Rate, WaitUntil
from vera_orchestrator.reservation import Amounts, ReservationState
from vera_orchestrator.usage import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """What one attempt asks for.

    `key` names the attempt and is never used again. The amounts are added to every scope, whether it has limits or not,
    and one token is taken of every rate. Of one call, up to 2^40 requests or tokens and 2^53 nano-dollars can be held.
    `caller` and `tags` are the task's.
    """

    key: str
    task: int
    owner: int
    worker_id: str
    provider: str
    model: str
    amounts: Amounts
    scopes: Mapping[str, Limits]
    rates: Mapping[str, Rate] = field(default_factory=dict[str, Rate])
    caller: str | None = None
    tags: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """What a scope has used, reserved amounts included; `last_at` is the time of its last reservation."""

    amounts: Amounts
    last_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One attempt as the ledger keeps it; `usage` is None as long as nobody has reported it."""

    key: str
    at: int
    task: int
    worker_id: str
    provider: str
    model: str
    amounts: Amounts
    state: ReservationState
    usage: Usage | None = None
    caller: str | None = None
    tags: tuple[str, ...] = ()


class Ledger(ABC):
    """The port. Every method raises JournalUnavailable when the store cannot be reached."""

    @abstractmethod
    async def reserve(self, booking: Booking, *, slack: int = 0) -> Fits | WaitUntil | Never:
        """Reserve in all scopes and take a token of every rate, or do neither; decided and written at once.

        The same booking again, after an answer that was lost, is granted without being counted twice. Of several that
        wait, the latest time is the answer. Raises LeaseLost if the owner was removed, InvalidValue for what cannot be
        held.
        """

    @abstractmethod
    def settle(self, key: str, spent: Spent | None) -> Awaitable[bool]:
        """Replace what was reserved by what was used, at the time of the reservation; see `reservation.settle`.

        Without usage the reserved tokens stay. An estimate may be settled again; False, and no change, for what is
        settled or was never reserved. Raises InvalidValue for more than one call can use.
        """

    @abstractmethod
    async def count(self, scope: str, requests: int, per_minute: int) -> Fits | WaitUntil | Never:
        """Count requests of a scope, if all of them fit into its limit for a minute; no attempt is kept of them.

        Such a scope is for this alone: its totals are not told.
        """

    @abstractmethod
    async def totals(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """Return what scopes have used since a time, or since the beginning of its minute.

        Those that nothing was reserved for are left out.
        """

    @abstractmethod
    def totals_now(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """Return the same to a synchronous caller; blocks for a moment."""

    @abstractmethod
    async def kept(self, task: int) -> list[Kept]:
        """Return the attempts of a task, in order of their time."""

    @abstractmethod
    async def spending(self, query: SpendingQuery) -> list[Spending]:
        """Return what was used, told apart as the query says: by period, the most expensive first."""

    @abstractmethod
    async def standing(self, asked: Sequence[tuple[str, Limits]]) -> list[Standing]:
        """Return how much is used now of each limit that is set for a scope, in the order asked for."""

    @abstractmethod
    async def answer(self, key: str, *, since: float) -> str | None:
        """Return the answer that was kept under a key at or after a time (seconds since 1970)."""

    @abstractmethod
    async def keep_answer(self, key: str, text: str, *, at: float) -> None:
        """Keep an answer under a key, in place of an earlier one."""

    @abstractmethod
    async def prune(self, *, before: int, answers_before: float, limit: int) -> int:
        """Delete up to `limit` rows each of uses, sums and answers older than a time; return how many were deleted.

        What is still reserved is spared. Sums of single seconds, which only limits per minute need, go after two hours.
        """
