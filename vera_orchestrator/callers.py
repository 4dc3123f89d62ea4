"""Who asks for something, and what they may: values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from vera_orchestrator.models import APIQuota
from vera_orchestrator.secrets import EVERY_SECRET

ALL_SECRETS = frozenset({EVERY_SECRET})
NO_SECRETS: frozenset[str] = frozenset()


class Scope(StrEnum):
    """What a key allows.

    SUBMIT: tasks and batches of one's own, and to cancel and retry them. READ: tasks of one's own, workers, models,
    status and spending of one's own. MANAGE: everybody's tasks, workers, keys, the audit; it includes READ.
    """

    SUBMIT = "submit"
    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls.

    `id` is that of the key, None for somebody on this machine without one. `weight` is how many turns it takes where
    others take one, `rate_per_minute` how many tasks it may submit, `quota` what its tasks may use of language models,
    `secrets` which named secrets of the server they may.
    `admit`, where there is a rate, counts so many tasks or raises RateExceeded.
    """

    id: str | None = None
    name: str = "local"
    scopes: frozenset[Scope] = frozenset(Scope)
    weight: float = 1.0
    rate_per_minute: int | None = None
    quota: APIQuota | None = None
    secrets: frozenset[str] = NO_SECRETS
    admit: Callable[[int], Awaitable[None]] | None = field(default=None, compare=False, repr=False)

    def may(self, scope: Scope) -> bool:
        """Return whether a scope is among what is allowed."""
        return scope in self.scopes or (scope is Scope.READ and Scope.MANAGE in self.scopes)

    def may_see(self, owner: str | None) -> bool:
        """Return whether a task of somebody's may be read, and with SUBMIT cancelled."""
        return Scope.MANAGE in self.scopes or owner == self.id


LOCAL = Caller(secrets=ALL_SECRETS)
"""Somebody on this machine."""

ENVIRONMENT = Caller(id="environment", name="environment", secrets=ALL_SECRETS)
"""Whoever has the key that the setting `api_key` holds."""


def own_key(caller: str | None, key: str) -> str:
    """Return an idempotency key as that of one caller, so that two can use the same one."""
    return key if caller is None else f"{caller}/{key}"
