"""Keys and audit of the SQL journals, on the journal's own writer and readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from sqlalchemy import Connection, Select, delete, insert, select, update

from vera_orchestrator.journal import access_rows, storable
from vera_orchestrator.journal.access import Access, AuditRow, KeyRow
from vera_orchestrator.journal.reader import Reader
from vera_orchestrator.journal.reading import chunks
from vera_orchestrator.journal.schema import api_keys, audit
from vera_orchestrator.journal.writer import Call, Calls, Writer

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessParts:
    """What the port works with in an open journal."""

    reader: Reader
    writer: Writer
    calls: Calls


class SQLAccess(Access):
    """The port; `parts` raises JournalUnavailable while the journal is closed."""

    def __init__(self, parts: Callable[[], AccessParts]) -> None:
        self._parts = parts

    async def add_key(self, row: KeyRow) -> None:
        """See the port."""
        access_rows.check_key(row)
        await self._write(partial(_add_key, row=row))

    async def key(self, key_id: str) -> KeyRow | None:
        """See the port."""
        if storable.fault_of(key_id):
            return None
        return await self._read(partial(_key, key_id=key_id))

    async def keys(self) -> Sequence[KeyRow]:
        """See the port."""
        return await self._read(_keys)

    async def revoke_key(self, key_id: str, at: float) -> KeyRow | None:
        """See the port."""
        if storable.fault_of(key_id):
            return None
        return await self._write(partial(_revoke, key_id=key_id, at=at))

    async def note(self, row: AuditRow) -> None:
        """See the port."""
        access_rows.check_audit(row)
        await self._write(partial(_note, row=row))

    async def audit(self, *, limit: int, before: int | None = None) -> Sequence[AuditRow]:
        """See the port."""
        return await self._read(partial(_audit, limit=limit, before=before))

    async def prune_audit(self, *, before: float, limit: int) -> int:
        """See the port."""
        query = select(audit.c.number).where(audit.c.at < before).order_by(audit.c.number).limit(limit)
        numbers = await self._read(lambda connection: connection.execute(query).scalars().all())
        return await self._write(partial(_delete_audit, numbers=numbers)) if numbers else 0

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._parts().reader.read(query)

    async def _write(self, change: Callable[[Connection], T]) -> T:
        parts = self._parts()
        return cast(T, await parts.writer.submit(parts.calls, Call(change)))


def _one(connection: Connection, query: Select[tuple[object, ...]]) -> KeyRow | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else access_rows.key_row(row)


def _add_key(connection: Connection, row: KeyRow) -> None:
    if _key(connection, row.id) is not None:
        raise access_rows.taken(row.id)
    connection.execute(insert(api_keys).values(access_rows.key_values(row)))


def _key(connection: Connection, key_id: str) -> KeyRow | None:
    return _one(connection, select(api_keys).where(api_keys.c.id == key_id))


def _keys(connection: Connection) -> Sequence[KeyRow]:
    query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
    return [access_rows.key_row(row) for row in connection.execute(query).mappings()]


def _revoke(connection: Connection, key_id: str, at: float) -> KeyRow | None:
    is_this = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    connection.execute(update(api_keys).where(*is_this).values(revoked_at=at))
    return _key(connection, key_id)


def _note(connection: Connection, row: AuditRow) -> None:
    connection.execute(insert(audit).values(access_rows.audit_values(row)))


def _audit(connection: Connection, limit: int, before: int | None) -> Sequence[AuditRow]:
    query = select(audit).order_by(audit.c.number.desc()).limit(max(0, limit))
    if before is not None:
        query = query.where(audit.c.number < before)
    return [access_rows.audit_row(row) for row in connection.execute(query).mappings()]


def _delete_audit(connection: Connection, numbers: Sequence[int]) -> int:
    return sum(connection.execute(delete(audit).where(audit.c.number.in_(part))).rowcount for part in chunks(numbers))
