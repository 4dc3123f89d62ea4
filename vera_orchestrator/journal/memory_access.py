"""Keys and audit in plain lists, for the in-memory journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vera_orchestrator.journal import access_rows
from vera_orchestrator.journal.access import Access, AuditRow, KeyRow


class MemoryAccess(Access):
    """The port for as long as the object lives."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._keys: dict[str, KeyRow] = {}
        self._audit: list[AuditRow] = []
        self._last_number = 0

    async def add_key(self, row: KeyRow) -> None:
        """See the port."""
        self._check_open()
        access_rows.check_key(row)
        if row.id in self._keys:
            raise access_rows.taken(row.id)
        self._keys[row.id] = row

    async def key(self, key_id: str) -> KeyRow | None:
        """See the port."""
        self._check_open()
        return self._keys.get(key_id)

    async def keys(self) -> Sequence[KeyRow]:
        """See the port."""
        self._check_open()
        return sorted(self._keys.values(), key=lambda row: (row.created_at, row.id), reverse=True)

    async def revoke_key(self, key_id: str, at: float) -> KeyRow | None:
        """See the port."""
        self._check_open()
        row = self._keys.get(key_id)
        if row is not None and row.revoked_at is None:
            row = self._keys[key_id] = replace(row, revoked_at=at)
        return row

    async def note(self, row: AuditRow) -> None:
        """See the port."""
        self._check_open()
        access_rows.check_audit(row)
        self._last_number += 1
        self._audit.append(replace(row, number=self._last_number))

    async def audit(self, *, limit: int, before: int | None = None) -> Sequence[AuditRow]:
        """See the port."""
        self._check_open()
        found = [row for row in reversed(self._audit) if before is None or row.number < before]
        return found[: max(0, limit)]

    async def prune_audit(self, *, before: float, limit: int) -> int:
        """See the port."""
        self._check_open()
        gone = {row.number for row in [row for row in self._audit if row.at < before][:limit]}
        self._audit = [row for row in self._audit if row.number not in gone]
        return len(gone)
