"""Keys and audit entries as rows of a database; the same for every store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal import storable
from vera_orchestrator.journal.access import AuditRow, KeyRow
from vera_orchestrator.models import APIQuota


def check_key(row: KeyRow) -> None:
    """Raise InvalidValue, naming the field, unless a key can be stored."""
    storable.check_key("id", row.id)
    storable.check({"name": row.name, "digest": row.digest})
    for name in row.secrets:
        storable.check({"secrets": name})
        if name.split() != [name]:
            raise InvalidValue(
                f"{name!r} is no name of a secret.", field="secrets", remedy="Give names without spaces."
            )


def check_audit(row: AuditRow) -> None:
    """Raise InvalidValue, naming the field, unless an entry can be stored."""
    storable.check({"caller": row.caller, "action": row.action, "target": row.target, "detail": row.detail})


def taken(key_id: str) -> InvalidValue:
    """Return the error for an id that another key has."""
    return InvalidValue(f"There is a key with the id {key_id!r}.", field="id", remedy="Use another id.")


def key_values(row: KeyRow) -> dict[str, Any]:
    """Return the columns of a key."""
    quota = {} if row.quota is None else asdict(row.quota)
    return {
        "id": row.id,
        "name": row.name,
        "digest": row.digest,
        "scopes": " ".join(sorted(row.scopes)),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "rate_per_minute": row.rate_per_minute,
        "weight": row.weight,
        "limits": json.dumps(quota),
        "secrets": " ".join(sorted(row.secrets)),
    }


def key_row(row: RowMapping) -> KeyRow:
    """Return the key of a row that was selected with all columns."""
    columns: dict[str, Any] = dict(row)
    quota = json.loads(columns.pop("limits"))
    scopes = frozenset(Scope(name) for name in columns.pop("scopes").split())
    secrets = frozenset(columns.pop("secrets").split())
    return KeyRow(**columns, scopes=scopes, quota=APIQuota(**quota) if quota else None, secrets=secrets)


def audit_values(row: AuditRow) -> dict[str, Any]:
    """Return the columns of an entry; the store gives the number."""
    return {name: value for name, value in asdict(row).items() if name != "number"}


def audit_row(row: RowMapping) -> AuditRow:
    """Return the entry of a row that was selected with all columns."""
    columns: dict[str, Any] = dict(row)
    return AuditRow(**columns)
