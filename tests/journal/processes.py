"""Programs for processes of their own: `python -m tests.journal.processes NAME URL NUMBER`.

Each opens the journal when it reads a line, prints what was acknowledged, one per line, and ends.
"""

from __future__ import annotations

import asyncio
import sys

from tests.conformance.journal_rows import ending, join, task
from vera_orchestrator.journal.base import Journal, first_key
from vera_orchestrator.journal.factory import make_journal


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
    """Write a thousand tasks."""
    await add_and_end(journal, first_key(number), 1_000)


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


PROGRAMS = {program.__name__: program for program in (write, write_on, only_open, take_slots)}


async def main(name: str, url: str, number: str) -> None:
    say("ready")
    sys.stdin.readline()
    journal = make_journal(url)
    await journal.open()
    await PROGRAMS[name](journal, int(number))
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
