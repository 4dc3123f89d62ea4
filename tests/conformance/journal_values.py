"""What the journal promises about values that not every store could hold: all of them refuse them alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.conformance.journal_rows import batch, ending, join, row, task
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import WorkerRow

Write = Callable[[Journal, str], Awaitable[object]]


async def set_worker(journal: Journal, text: str) -> None:
    owner = await join(journal)
    await journal.set_workers(owner, [WorkerRow(owner=owner, worker_id=text, capabilities=frozenset())])


async def acquire(journal: Journal, text: str) -> None:
    await journal.acquire(await join(journal), 1, {text: 1})


TEXTS: dict[str, Write] = {
    "id": lambda journal, text: journal.add([task(2, id=text)]),
    "type": lambda journal, text: journal.add([task(2, type=text)]),
    "spec": lambda journal, text: journal.add([task(2, spec=text)]),
    "idempotency_key": lambda journal, text: journal.add([task(2, idempotency_key=text, body_hash="h")]),
    "body_hash": lambda journal, text: journal.add([task(2, idempotency_key="k", body_hash=text)]),
    "batch id": lambda journal, text: journal.add([task(2, batch=7)], batch(7, id=text)),
    "options": lambda journal, text: journal.add([task(2, batch=7)], batch(7, options=text)),
    "worker of a start": lambda journal, text: journal.started(1, 1, at=1.0, worker_id=text),
    "worker of an end": lambda journal, text: journal.ended(ending(1, worker_id=text)),
    "error": lambda journal, text: journal.ended(ending(1, error=text)),
    "result": lambda journal, text: journal.ended(ending(1, result=text)),
    "large result": lambda journal, text: journal.ended(ending(1, result=text + "x" * 50_000)),
    "error of a retry": lambda journal, text: journal.requeued(1, 1, due_at=None, retry_count=0, error=text),
    "reason": lambda journal, text: journal.ask_to_cancel([1], text),
    "flow run": lambda journal, text: journal.batch_flow_run(1, text),
    "host": lambda journal, text: journal.join(host=text, pid=1, alive_file=None, lease_seconds=1.0),
    "alive file": lambda journal, text: journal.join(host="h", pid=1, alive_file=text, lease_seconds=1.0),
    "worker": set_worker,
    "limit": acquire,
}
NUMBERS: dict[str, Callable[[Journal, int], Awaitable[object]]] = {
    "key": lambda journal, number: journal.add([task(number << 32, id="t2")]),
    "batch": lambda journal, number: journal.add([task(2, batch=number << 32)]),
    "position": lambda journal, number: journal.add([task(2, position=number)]),
    "retry_count": lambda journal, number: journal.add([task(2, retry_count=number)]),
    "priority": lambda journal, number: journal.add([task(2, priority=number >> 16)]),
    "retries of an end": lambda journal, number: journal.ended(ending(1, retry_count=number)),
    "retries": lambda journal, number: journal.requeued(1, 1, due_at=None, retry_count=number, error=None),
}


KEYS: dict[str, tuple[str, Write]] = {
    "id": ("id", TEXTS["id"]),
    "batch id": ("batch_id", TEXTS["batch id"]),
    "idempotency_key": ("idempotency_key", TEXTS["idempotency_key"]),
    "worker of a start": ("worker_id", TEXTS["worker of a start"]),
    "worker of an end": ("worker_id", TEXTS["worker of an end"]),
    "worker": ("worker_id", TEXTS["worker"]),
    "limit": ("limit", TEXTS["limit"]),
}
"""What is looked up by: the name of the field, and how it is written."""


class ValueSuite:
    """Texts with NUL or half of a surrogate pair, and numbers that are too large."""

    @pytest.mark.parametrize("column", sorted(TEXTS))
    async def test_a_text_that_no_database_takes_is_refused(self, journal: Journal, column: str) -> None:
        await journal.add([task(1)], batch(1))

        for text in ("a\0b", "a\ud800b"):
            with pytest.raises(InvalidValue, match="cannot hold this"):
                await TEXTS[column](journal, text)

        assert await row(journal, 1) == task(1)
        assert set(await journal.rows([1, 2])) == {1}
        await TEXTS[column](journal, "ä\u2028🙂")

    @pytest.mark.parametrize("column", sorted(KEYS))
    async def test_a_text_that_is_too_long_to_look_up_by_is_refused(self, journal: Journal, column: str) -> None:
        field, write = KEYS[column]
        await journal.add([task(1)])

        for text in ("a" * 1_001, "ä" * 501, "x" * 2_000_000):
            with pytest.raises(InvalidValue, match="longer than 1,000 bytes") as caught:
                await write(journal, text)
            assert caught.value.field == field

        assert await row(journal, 1) == task(1)
        await write(journal, "ä" * 500)

    @pytest.mark.parametrize("column", sorted(NUMBERS))
    async def test_a_number_that_is_too_large_is_refused(self, journal: Journal, column: str) -> None:
        await journal.add([task(1)])

        for number in (1 << 31, -(1 << 31) - 1):
            with pytest.raises(InvalidValue, match="cannot hold this"):
                await NUMBERS[column](journal, number)

        assert await row(journal, 1) == task(1)
        await NUMBERS[column](journal, (1 << 31) - 1)

    async def test_one_value_that_is_refused_harms_no_neighbour(self, journal: Journal) -> None:
        outcomes = await asyncio.gather(
            *(journal.add([task(key, id="\0" if key == 7 else f"t{key}")]) for key in range(20)),
            return_exceptions=True,
        )

        assert [isinstance(outcome, InvalidValue) for outcome in outcomes] == [key == 7 for key in range(20)]
        assert set(await journal.rows(range(20))) == set(range(20)) - {7}

    async def test_an_id_that_no_row_can_have_is_not_found(self, journal: Journal) -> None:
        for text in ("a\0b", "a\ud800b"):
            assert await journal.task(text) is None
            assert await journal.batch(text) is None
