"""Bodies of requests and answers about keys and the audit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.models import DailyQuota, Name, PerMinute
from vera_orchestrator.callers import Scope
from vera_orchestrator.journal.access import AuditRow, KeyRow
from vera_orchestrator.keys import MOST_SECRETS, SECRET_NAME, USUAL_SCOPES, WEIGHTS
from vera_orchestrator.secrets import EVERY_SECRET

Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]
SecretName = Annotated[str, Field(pattern=rf"^(\*|{SECRET_NAME.pattern})$")]
Secrets = Annotated[
    list[SecretName],
    Field(max_length=MOST_SECRETS),
    BeforeValidator(lambda given: [given] if given == EVERY_SECRET else given),
]
Weight = Annotated[float, Field(ge=WEIGHTS[0], le=WEIGHTS[1], allow_inf_nan=False)]


class KeyRequest(DailyQuota):
    """A key to make. What is not given has no limit; money in USD."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly",
                    "scopes": ["submit", "read"],
                    "expires_in_days": 90,
                    "quota_cost_limit_per_day": 2.5,
                }
            ]
        },
    )

    name: Name
    scopes: list[Scope] = Field(default=sorted(USUAL_SCOPES), min_length=1, max_length=len(Scope))
    expires_in_days: Days | None = None
    expires_at: datetime | None = None
    rate_limit_per_minute: PerMinute | None = None
    weight: Weight = 1.0
    secrets: Secrets = Field(default=[], description="Named secrets that its tasks may use; `*` allows all.")


class KeyObject(BaseModel):
    """A key, without the secret."""

    key_id: str
    name: str
    scopes: list[Scope]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rate_limit_per_minute: int | None
    weight: float
    secrets: list[str]
    quota_requests_per_day: int | None
    quota_tokens_per_day: int | None
    quota_cost_limit_per_day: float | None


class KeyMade(KeyObject):
    """A key that was just made; `key` is shown this once."""

    key: str


class KeyList(BaseModel):
    """All keys, newest first."""

    keys: list[KeyObject]
    count: int


class AuditEntry(BaseModel):
    """One management call; `caller` is the id of a key, null for somebody on the server's machine."""

    number: int
    at: datetime
    caller: str | None
    action: str
    target: str | None
    status: int
    detail: str | None


class Audit(BaseModel):
    """Management calls, newest first; `next_cursor` leads to older ones."""

    entries: list[AuditEntry]
    count: int
    next_cursor: str | None


def key_object(row: KeyRow, now: float) -> KeyObject:
    """Return the wire form of a key."""
    quota = row.quota
    status = "revoked" if row.revoked_at is not None else "active" if row.is_valid(now) else "expired"
    return KeyObject(
        key_id=row.id,
        name=row.name,
        scopes=sorted(row.scopes),
        status=status,
        created_at=_time(row.created_at),
        expires_at=None if row.expires_at is None else _time(row.expires_at),
        revoked_at=None if row.revoked_at is None else _time(row.revoked_at),
        rate_limit_per_minute=row.rate_per_minute,
        weight=row.weight,
        secrets=sorted(row.secrets),
        quota_requests_per_day=None if quota is None else quota.requests_per_day,
        quota_tokens_per_day=None if quota is None else quota.tokens_per_day,
        quota_cost_limit_per_day=None if quota is None else quota.cost_limit_per_day,
    )


def audit_entry(row: AuditRow) -> AuditEntry:
    """Return the wire form of an entry of the audit."""
    return AuditEntry(
        number=row.number,
        at=_time(row.at),
        caller=row.caller,
        action=row.action,
        target=row.target,
        status=row.status,
        detail=row.detail,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
