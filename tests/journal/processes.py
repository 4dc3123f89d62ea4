"""Processes that use one journal at the same time: `python -m tests.journal.processes`.

Each reads orders, one per line: a program's name, the journal's URL and a number. It opens the journal, runs the
program, prints what it says, one per line, and `done`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from decimal import Decimal

from sqlalchemy import Connection

from tests.conformance.journal_rows import ending, join, task
from vera_orchestrator.errors import DuplicateTaskId
from vera_orchestrator.journal.base import Journal, first_key
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.journal.records import BatchRow
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.metering import Spent
from vera_orchestrator.quota import Fits, Limits
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.usage import Usage

DONE = "done"
WRITTEN = 500
"""Tasks that `write` adds and ends."""

SHARED = 200
"""Tasks that several processes want at the same time."""


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def add_and_end(journal: Journal, first: int, count: int) -> None:
    """Add and end tasks, many at a time, and say the key of each whose end was acknowledged."""

    async def one(key: int) -> None:
        await journal.add([task(key)])
        if await journal.ended(ending(key, result=str(key))):
            say(key)

    for start in range(first, first + count, 50):
        await asyncio.gather(*(one(key) for key in range(start, start + 50)))


async def write(journal: Journal, number: int) -> None:
    """Write hundreds of tasks."""
    await add_and_end(journal, first_key(number), WRITTEN)


async def write_on(journal: Journal, number: int) -> None:
    """Write until killed."""
    await add_and_end(journal, first_key(number), 1 << 30)


async def only_open(journal: Journal, number: int) -> None:
    """Say that the journal is open."""
    say(number)


async def take_slots(journal: Journal, number: int) -> None:
    """Try to take a slot for each of forty tasks; say the tasks that got one of the five."""
    owner = await join(journal, pid=number)
    for key in range(first_key(number), first_key(number) + 40):
        if not await journal.acquire(owner, key, {"limit": 5}):
            say(key)


async def book(journal: Journal, number: int) -> None:
    """Reserve for a hundred attempts at once, of which twenty fit; settle half of them, and say those that fit."""
    owner = await join(journal, pid=number)
    limits = Limits(requests_per_hour=20)

    async def one(place: int) -> None:
        booking = Booking(
            key=f"{number}-{place}",
            task=place,
            owner=owner,
            worker_id="w",
            provider="p",
            model="m",
            amounts=Amounts(tokens=10),
            scopes={"key": limits, f"budget-{number}": limits},
        )
        if isinstance(await journal.ledger.reserve(booking), Fits):
            say(place)
            if place % 2:
                await journal.ledger.settle(booking.key, Spent(usage=Usage(input=3), cost=Decimal(0)))

    await asyncio.gather(*(one(place) for place in range(100)))


async def use_keys(journal: Journal, number: int) -> None:
    """Add tasks with idempotency keys that others use too; say the key of the row that each call names."""

    async def one(place: int) -> int:
        row = task(first_key(number) + place, idempotency_key=f"k{place}", body_hash="same")
        existing = (await journal.add([row])).existing
        return row.key if existing is None else existing.key

    for key in await asyncio.gather(*(one(place) for place in range(SHARED))):
        say(key)


async def use_ids(journal: Journal, number: int) -> None:
    """Add tasks with ids that others use too; say the keys of those that were accepted."""

    async def one(place: int) -> None:
        key = first_key(number) + place
        try:
            await journal.add([task(key, id=f"t{place}")])
        except DuplicateTaskId:
            return
        say(key)

    await asyncio.gather(*(one(place) for place in range(SHARED)))


async def use_batch_ids(journal: Journal, number: int) -> None:
    """Add batches with ids that others use too; say the keys of those that were accepted."""

    async def one(place: int) -> None:
        key = first_key(number) + place
        row = BatchRow(key=key, id=f"b{place}", options="{}", submitted_at=1.0)
        try:
            await journal.add([task(key, id=f"t{key}", batch=key)], row)
        except DuplicateTaskId:
            return
        say(key)

    await asyncio.gather(*(one(place) for place in range(SHARED)))


async def use_ids_backwards(journal: Journal, number: int) -> None:
    """Add a submission of many tasks with ids that others use in another order; say their keys if it was accepted."""
    keys = [first_key(number) + place for place in range(SHARED)]
    ids = [f"t{place}" for place in range(SHARED)]
    if number % 2:
        ids.reverse()
    try:
        await journal.add([task(key, id=name) for key, name in zip(keys, ids, strict=True)])
    except DuplicateTaskId:
        return
    for key in keys:
        say(key)


async def claim(journal: Journal, number: int) -> None:
    """Claim what has no owner, a few at a time, until nothing is left; say the keys."""
    owner = await join(journal, pid=number)
    while free := await journal.unowned(limit=20):
        for row in await journal.claim(owner, [row.key for row in free]):
            say(row.key)


async def stop_inside(journal: Journal, number: int) -> None:
    """Say the number in the middle of a transaction that keeps others out, and stop there until continued."""
    assert isinstance(journal, SQLJournal)
    is_first = True

    def change(_connection: Connection) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            say(number)
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # to this thread, so that it does nothing more

    await journal._write(change)  # pyright: ignore[reportPrivateUsage]
    await journal.add([task(first_key(number))])
    say(first_key(number))


Program = Callable[[Journal, int], Awaitable[None]]
_ALL: tuple[Program, ...] = (
    write,
    write_on,
    only_open,
    take_slots,
    book,
    use_keys,
    use_ids,
    use_batch_ids,
    use_ids_backwards,
    claim,
    stop_inside,
)
PROGRAMS = {getattr(program, "__name__", ""): program for program in _ALL}


async def obey(name: str, url: str, number: str) -> None:
    """Carry out one order."""
    journal = make_journal(url)
    await journal.open()
    try:
        await PROGRAMS[name](journal, int(number))
    finally:
        await journal.close()
    say(DONE)


if __name__ == "__main__":
    for order in sys.stdin:
        asyncio.run(obey(*order.split()))
