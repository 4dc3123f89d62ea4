"""API keys: made, listed, revoked and recognised.

A key is `vera_<id>_<secret>`. Its id is shown, of the whole only the SHA-256 is kept: the secret has 256 random bits,
so nothing is gained by a slower digest. What has the form of a key and is none takes the same path whatever is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as randomness
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr

from vera_orchestrator.callers import ALL_SECRETS, ENVIRONMENT, NO_SECRETS, Caller, Scope
from vera_orchestrator.errors import InvalidValue, NotFound, OverLimit, RateExceeded
from vera_orchestrator.journal.access import AuditRow, KeyRow
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.models import APIQuota
from vera_orchestrator.quota import Fits, Limits, Never
from vera_orchestrator.secrets import EVERY_SECRET
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.windows import SECOND

PREFIX = "vera"
USUAL_SCOPES = frozenset({Scope.SUBMIT, Scope.READ})
WEIGHTS = (1.0, 1_000.0)
NAME_LENGTH = 200
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
MOST_SECRETS = 100
LONGEST_SECONDS = 36_500 * 86_400
KNOWN_SECONDS = 1.0
"""How long another process may go on with what it knew of a key."""
KNOWN_KEYS = 10_000
NO_DIGEST = "0" * 64


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that was just made: the only time that `key` itself is seen."""

    row: KeyRow
    key: str


class _Known(NamedTuple):
    row: KeyRow
    until: float


class Keys:
    """The keys in a journal; `now` gives seconds since 1970."""

    def __init__(
        self,
        journal: Journal,
        environment_key: SecretStr | None = None,
        *,
        zone: str = "UTC",
        now: Callable[[], float] = time.time,
    ) -> None:
        key = environment_key.get_secret_value() if environment_key is not None else ""
        self._environment = digest_of(key.encode()) if key else NO_DIGEST
        self._journal = journal
        self._zone = zone
        self._now = now
        self._by_digest: dict[str, _Known] = {}
        self._by_id: dict[str, _Known] = {}

    async def create(
        self,
        name: str,
        *,
        scopes: Collection[Scope] = USUAL_SCOPES,
        expires_at: float | None = None,
        rate_per_minute: int | None = None,
        weight: float = 1.0,
        quota: APIQuota | None = None,
        secrets: Collection[str] = NO_SECRETS,
    ) -> NewKey:
        """Make a key; raises InvalidValue, naming the field."""
        now = self._now()
        _check(name, scopes, expires_at, now, rate_per_minute, weight)
        _check_secrets(secrets)
        if quota is not None:
            Limits.of_quota(quota, self._zone)
        key_id = randomness.token_hex(6)
        key = f"{PREFIX}_{key_id}_{randomness.token_hex(32)}"
        row = KeyRow(
            id=key_id,
            name=name,
            digest=digest_of(key.encode()),
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=expires_at,
            rate_per_minute=rate_per_minute,
            weight=weight,
            quota=quota,
            secrets=frozenset(secrets),
        )
        await self._journal.open()
        await self._journal.access.add_key(row)
        return NewKey(row=row, key=key)

    async def list(self) -> Sequence[KeyRow]:
        """Return all keys, newest first, revoked and expired ones too."""
        await self._journal.open()
        return await self._journal.access.keys()

    async def revoke(self, key_id: str) -> KeyRow:
        """End a key, here at once and in other processes within a second; raises NotFound."""
        await self._journal.open()
        row = await self._journal.access.revoke_key(key_id, self._now())
        if row is None:
            raise NotFound(f"no key {key_id!r}.", field="key_id", remedy="See vera keys list for those there are.")
        self._by_digest.pop(row.digest, None)
        self._by_id.pop(row.id, None)
        return row

    async def authenticate(self, key: bytes) -> Caller | None:
        """Return whose key this is; None for one that is unknown, wrong, expired or revoked."""
        digest, now = digest_of(key), self._now()
        if hmac.compare_digest(digest, self._environment):
            return ENVIRONMENT
        if not looks_like_key(key):  # such as what clients send that cannot do without one
            return None
        known = self._by_digest.get(digest)
        if known is None or known.until <= now:
            await self._journal.open()
            row = await self._journal.access.key(id_in(key))
            if not hmac.compare_digest(digest, NO_DIGEST if row is None else row.digest) or row is None:
                return None
            known = self._learn(row, now)
        return self._caller(known.row) if known.row.is_valid(now) else None

    async def limits(self, key_id: str) -> Limits:
        """Return what the tasks of a key may use; a key that is not known has no limits."""
        if key_id == ENVIRONMENT.id:
            return NO_LIMITS
        row = await self._row(key_id)
        return NO_LIMITS if row is None or row.quota is None else Limits.of_quota(row.quota, self._zone)

    async def secrets_of(self, key_id: str | None) -> frozenset[str]:
        """Return the named secrets that tasks of a key may use now: none once it is revoked or expired.

        Whoever has no key of the journal may use all: callers on this machine, and the key of the environment.
        """
        if key_id is None or key_id == ENVIRONMENT.id:
            return ALL_SECRETS
        row = await self._row(key_id)
        if row is None:
            return ALL_SECRETS
        return row.secrets if row.is_valid(self._now()) else NO_SECRETS

    async def _row(self, key_id: str) -> KeyRow | None:
        now = self._now()
        known = self._by_id.get(key_id)
        if known is None or known.until <= now:
            row = await self._journal.access.key(key_id)
            if row is None:
                return None
            known = self._learn(row, now)
        return known.row

    def weight(self, key_id: str | None) -> float:
        """Return how many turns a key takes where others take one, as far as it is known here."""
        known = None if key_id is None else self._by_id.get(key_id)
        return 1.0 if known is None else known.row.weight

    async def learn(self, key_ids: Iterable[str | None]) -> None:
        """Read what is not known of keys, so that tasks of theirs from before have their weight."""
        for key_id in {one for one in key_ids if one is not None} - self._by_id.keys() - {ENVIRONMENT.id}:
            row = await self._journal.access.key(key_id)
            if row is not None:
                self._learn(row, self._now())

    async def take(self, key_id: str, per_minute: int, count: int) -> None:
        """Count tasks that a key submits; raises RateExceeded, or OverLimit for more than ever fit."""
        found = await self._journal.ledger.count(f"submissions:{key_id}", count, per_minute)
        if isinstance(found, Never):
            raise OverLimit(
                f"{count:,} tasks at once are more than the {per_minute:,} per minute of this key.",
                field="tasks",
                remedy="Submit fewer at a time, or use a key with a higher rate.",
            )
        if not isinstance(found, Fits):
            raise RateExceeded(
                f"the {per_minute:,} tasks per minute of this key are used up.",
                remedy="Submit again later, or use a key with a higher rate.",
                retry_after=max(0.001, found.time / SECOND - self._now()),
            )

    async def note(
        self, caller: Caller, action: str, target: str | None, status: int, *, detail: str | None = None
    ) -> None:
        """Add a management call to the audit."""
        await self._journal.open()
        row = AuditRow(at=self._now(), caller=caller.id, action=action, target=target, status=status, detail=detail)
        await self._journal.access.note(row)

    async def audit(self, *, limit: int = 100, before: int | None = None) -> Sequence[AuditRow]:
        """Return what was done, newest first, of the entries with a number below `before`."""
        await self._journal.open()
        return await self._journal.access.audit(limit=limit, before=before)

    def _learn(self, row: KeyRow, now: float) -> _Known:
        for known in (self._by_digest, self._by_id):
            if len(known) >= KNOWN_KEYS:
                known.clear()
        self._by_digest[row.digest] = self._by_id[row.id] = _Known(row, now + KNOWN_SECONDS)
        return self._by_id[row.id]

    def _caller(self, row: KeyRow) -> Caller:
        rate = row.rate_per_minute
        return Caller(
            id=row.id,
            name=row.name,
            scopes=row.scopes,
            weight=row.weight,
            rate_per_minute=rate,
            quota=row.quota,
            secrets=row.secrets,
            admit=None if rate is None else partial(self.take, row.id, rate),
        )


NO_LIMITS = Limits()


@asynccontextmanager
async def open_keys(config: OrchestratorConfig) -> AsyncGenerator[Keys]:
    """Give the keys of the settings' journal, without an orchestrator."""
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = make_journal(config.journal_url)
    await journal.open()
    try:
        yield Keys(journal, config.api_key, zone=config.llm_time_zone)
    finally:
        await journal.close()


def digest_of(key: bytes) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key).hexdigest()


def id_in(key: bytes) -> str:
    """Return the id in a key; empty if it does not look like one."""
    prefix, _, rest = key.decode("ascii", "replace").partition("_")
    return rest.partition("_")[0] if prefix == PREFIX else ""


def looks_like_key(key: bytes) -> bool:
    """Return whether a text has the form of the keys that are made here."""
    return bool(id_in(key))


def _check(
    name: str,
    scopes: Collection[Scope],
    expires_at: float | None,
    now: float,
    rate_per_minute: int | None,
    weight: float,
) -> None:
    """Raise InvalidValue, naming the field, for what no key can have."""
    if not name.strip() or len(name) > NAME_LENGTH:
        raise InvalidValue(f"a key has a name of up to {NAME_LENGTH} characters.", field="name")
    if not scopes:
        raise InvalidValue("a key needs a scope.", field="scopes", remedy=f"Give some of {', '.join(Scope)}.")
    if expires_at is not None and not expires_at > now:
        raise InvalidValue("it is in the past.", field="expires_at", remedy="Give a time to come, or none.")
    if expires_at is not None and not expires_at - now <= LONGEST_SECONDS:
        raise InvalidValue("it is more than a century away.", field="expires_at", remedy="Give none: it never expires.")
    if rate_per_minute is not None and not 1 <= rate_per_minute <= 1_000_000:
        raise InvalidValue("a rate is between 1 and 1,000,000.", field="rate_limit_per_minute")
    if not WEIGHTS[0] <= weight <= WEIGHTS[1]:
        raise InvalidValue("a weight is between 1 and 1,000.", field="weight")


def _check_secrets(names: Collection[str]) -> None:
    """Raise InvalidValue unless a key can have these names of secrets."""
    if len(names) > MOST_SECRETS:
        raise InvalidValue(f"a key has up to {MOST_SECRETS} of them.", field="secrets", remedy="Allow all: '*'.")
    for name in names:
        if name != EVERY_SECRET and not SECRET_NAME.fullmatch(name):
            raise InvalidValue(
                f"{name!r} is no name of a secret.",
                field="secrets",
                remedy="Give NAME for VERA_SECRET_NAME: letters, digits, and _ . - between them; or '*' for all.",
            )
