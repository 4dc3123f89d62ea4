"""The ledger of the SQL journals, on the journal's own writer and readers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Dialect

from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal import ledger_reading, ledger_spending, storable
from vera_orchestrator.journal.booking_book import SumStatements
from vera_orchestrator.journal.booking_kinds import Asked, Report, Reserve, Settle
from vera_orchestrator.journal.ledger import Booking, Kept, Ledger, Total
from vera_orchestrator.journal.reader import Reader
from vera_orchestrator.journal.spending import Spending, SpendingQuery, Standing
from vera_orchestrator.journal.writer import Call, Calls, Writer, failed
from vera_orchestrator.metering import Spent
from vera_orchestrator.quota import Fits, Limits, Never, WaitUntil

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerParts:
    """What the ledger of an open journal works with."""

    reader: Reader
    writer: Writer
    reserve: Reserve
    settle: Settle
    calls: Calls
    now: Callable[[], ColumnElement[float]]
    sums: SumStatements

    @classmethod
    def on(cls, dialect: Dialect, reader: Reader, writer: Writer, now: Callable[[], ColumnElement[float]]) -> Self:
        """Return the parts for a dialect; `now` gives the store's time in seconds, as an expression."""
        reserve, settle = Reserve(dialect, now), Settle(dialect)
        return cls(
            reader=reader,
            writer=writer,
            reserve=reserve,
            settle=settle,
            calls=Calls(),
            now=now,
            sums=SumStatements(dialect),
        )


class SQLLedger(Ledger):
    """The port; `parts` raises JournalUnavailable while the journal is closed."""

    def __init__(self, parts: Callable[[], LedgerParts]) -> None:
        self._parts = parts

    async def reserve(self, booking: Booking, *, slack: int = 0) -> Fits | WaitUntil | Never:
        """See the port."""
        parts = self._parts()
        return await parts.writer.submit(parts.reserve, Asked(booking=booking, slack=slack))

    async def count(self, scope: str, requests: int, per_minute: int) -> Fits | WaitUntil | Never:
        """See the port."""
        storable.check_key("scope", scope)
        count = self._parts().reserve.count
        return await self._write(partial(count, scope=scope, requests=requests, per_minute=per_minute))

    def settle(self, key: str, spent: Spent | None) -> Awaitable[bool]:
        """See the port; it is queued at once."""
        try:
            parts = self._parts()
        except JournalUnavailable as error:
            return failed(error)
        return parts.writer.submit(parts.settle, Report(key=key, spent=spent))

    async def totals(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """See the port."""
        return await self._read(partial(ledger_reading.totals, scopes=list(scopes), since=since))

    def totals_now(self, scopes: Collection[str], since: int) -> Mapping[str, Total]:
        """See the port."""
        return self._parts().reader.read_now(partial(ledger_reading.totals, scopes=list(scopes), since=since))

    async def kept(self, task: int) -> list[Kept]:
        """See the port."""
        return await self._read(partial(ledger_reading.kept, task=task))

    async def spending(self, query: SpendingQuery) -> list[Spending]:
        """See the port."""
        return await self._read(partial(ledger_spending.spending, query=query))

    async def standing(self, asked: Sequence[tuple[str, Limits]]) -> list[Standing]:
        """See the port."""
        parts = self._parts()
        return await self._read(
            partial(ledger_spending.standing, statements=parts.sums, now=parts.now(), asked=list(asked))
        )

    async def answer(self, key: str, *, since: float) -> str | None:
        """See the port."""
        if storable.fault_of(key):
            return None
        return await self._read(partial(ledger_reading.answer, key=key, since=since))

    async def keep_answer(self, key: str, text: str, *, at: float) -> None:
        """See the port."""
        storable.check_key("key", key)
        storable.check({"result": text})
        await self._write(partial(ledger_reading.keep_answer, key=key, text=text, at=at))

    async def prune(self, *, before: int, answers_before: float, limit: int) -> int:
        """See the port."""
        # Looking for them may take a while, so it is not done where everybody waits.
        now = self._parts().now()
        old = await self._read(
            partial(ledger_reading.old, before=before, answers_before=answers_before, limit=limit, now=now)
        )
        return await self._write(partial(ledger_reading.delete_old, old=old)) if any(old) else 0

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._parts().reader.read(query)

    async def _write(self, change: Callable[[Connection], T]) -> T:
        parts = self._parts()
        return cast(T, await parts.writer.submit(parts.calls, Call(change)))
