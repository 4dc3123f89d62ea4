"""The owners of tasks in memory, with their leases and workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from vera_orchestrator.journal import refusals, storable
from vera_orchestrator.journal.records import OwnerRow, WorkerRow


class OwnerTable:
    """See the port for what each method is to do; the slots, uses and tasks of owners are kept elsewhere."""

    def __init__(self) -> None:
        self._rows: dict[int, OwnerRow] = {}
        self._leases: dict[int, float] = {}
        self._workers: dict[int, tuple[WorkerRow, ...]] = {}
        self._last = 0

    def check(self, owner: int) -> None:
        """Raise LeaseLost if the owner was removed."""
        if owner not in self._rows:
            raise refusals.lease_lost(owner)

    def join(self, *, host: str, pid: int, alive_file: str | None, lease_seconds: float, seal: str | None) -> int:
        """Add an owner and return its number."""
        storable.check({"host": host, "pid": pid, "alive_file": alive_file})
        self._last += 1
        self._rows[self._last] = OwnerRow(
            number=self._last, host=host, pid=pid, alive_file=alive_file, lease_left=lease_seconds, seal=seal
        )
        self._leases[self._last] = time.monotonic() + lease_seconds
        return self._last

    def renew(self, owner: int, lease_seconds: float) -> bool:
        """Prolong a lease; False if the owner was removed."""
        if owner not in self._rows:
            return False
        self._leases[owner] = time.monotonic() + lease_seconds
        return True

    def rows(self) -> Sequence[OwnerRow]:
        """Return all owners with what is left of their leases."""
        now = time.monotonic()
        return [replace(row, lease_left=self._leases[number] - now) for number, row in self._rows.items()]

    def remove(self, owner: int) -> None:
        """Take an owner out, with its workers."""
        self._rows.pop(owner, None)
        self._workers.pop(owner, None)

    def set_workers(self, owner: int, workers: Sequence[WorkerRow]) -> None:
        """Replace the workers of an owner; raises LeaseLost if it was removed."""
        for row in workers:
            storable.check({"worker_id": row.worker_id})
        self.check(owner)
        self._workers[owner] = tuple(workers)

    def workers(self) -> Sequence[WorkerRow]:
        """Return the workers of all owners, by owner and id."""
        known = [row for rows in self._workers.values() for row in rows]
        return sorted(known, key=lambda row: (row.owner, row.worker_id))
