"""Messages to be sent to those who asked to be told of an end, as a port. Times are seconds since the epoch.

A message is written in the transaction that writes the end, so that none is lost; whoever sends it moves the time at
which it is due first, so that no two send it at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message.

    `kind` says what has ended and how (task.completed), `subject` is the key of its row. `secret` is the sealed key for
    the signature. `due_at` is None once it is delivered or given up; `error` says why the last attempt failed.
    """

    id: str
    kind: str
    subject: int
    url: str
    secret: str | None = None
    created_at: float
    due_at: float | None
    attempts: int = 0
    delivered_at: float | None = None
    error: str | None = None


class Outbox(ABC):
    """The port. Every method raises JournalUnavailable when the store cannot be reached."""

    @abstractmethod
    async def claim(self, *, now: float, until: float, limit: int) -> Sequence[Delivery]:
        """Return messages that are due, the longest first, and let nobody else have them before `until`."""

    @abstractmethod
    async def next_due(self) -> float | None:
        """Return when the next message is due; None where none is left."""

    @abstractmethod
    async def delivered(self, delivery_id: str, at: float) -> None:
        """Note that a message has arrived."""

    @abstractmethod
    async def failed(self, delivery_id: str, *, error: str, due_at: float | None) -> None:
        """Note that an attempt has failed, and when the next one is due; None gives the message up."""

    @abstractmethod
    async def of(self, subject: int) -> Sequence[Delivery]:
        """Return the messages about a task or batch, by its key, oldest first."""

    @abstractmethod
    async def prune(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` messages that are delivered or given up and were made before a time; return how many."""
