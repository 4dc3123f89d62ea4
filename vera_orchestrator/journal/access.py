"""API keys and the audit of management calls, as a port. Times are seconds since the epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from vera_orchestrator.callers import Scope
from vera_orchestrator.models import APIQuota


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRow:
    """One API key; `digest` is the SHA-256 of the whole key in hexadecimal digits, the key itself is kept nowhere.

    `secrets` are the named secrets that its tasks may use, `EVERY_SECRET` among them means all.
    """

    id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    rate_per_minute: int | None = None
    weight: float = 1.0
    quota: APIQuota | None = None
    secrets: frozenset[str] = frozenset()

    def is_valid(self, now: float) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """One management call: who did what to what, and the HTTP status that came of it.

    `caller` is the id of a key, None for somebody on the server's machine. `number` is given by the store and grows.
    """

    at: float
    action: str
    status: int
    caller: str | None = None
    target: str | None = None
    detail: str | None = None
    number: int = 0


class Access(ABC):
    """The port. Every method raises JournalUnavailable when the store cannot be reached."""

    @abstractmethod
    async def add_key(self, row: KeyRow) -> None:
        """Keep a new key; raises InvalidValue for an id that is taken, or what cannot be held."""

    @abstractmethod
    async def key(self, key_id: str) -> KeyRow | None:
        """Return a key, revoked and expired ones too."""

    @abstractmethod
    async def keys(self) -> Sequence[KeyRow]:
        """Return all keys, newest first."""

    @abstractmethod
    async def revoke_key(self, key_id: str, at: float) -> KeyRow | None:
        """Revoke a key, unless it is revoked already, and return it; None if there is none."""

    @abstractmethod
    async def note(self, row: AuditRow) -> None:
        """Add an entry to the audit."""

    @abstractmethod
    async def audit(self, *, limit: int, before: int | None = None) -> Sequence[AuditRow]:
        """Return entries newest first, those with a number below `before`."""

    @abstractmethod
    async def prune_audit(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` entries older than a time, oldest first; return how many."""
