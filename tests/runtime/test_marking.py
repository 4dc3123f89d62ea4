"""The mark that a task has begun."""

from __future__ import annotations

import asyncio

import pytest

from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.runtime import marking
from vera_orchestrator.runtime.marking import marked_if_long


async def test_what_goes_on_is_marked() -> None:
    marked = asyncio.Event()

    async def mark() -> bool:
        marked.set()
        return True

    async with asyncio.timeout(90):
        with marked_if_long(mark):
            await marked.wait()


async def test_what_ends_before_is_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "MARK_SECONDS", 0.0)
    marks: list[str] = []

    async def mark() -> bool:
        marks.append("mark")
        return True

    with marked_if_long(mark):
        pass  # it ends before the loop goes on
    for _ in range(10):
        await asyncio.sleep(0)

    assert marks == []


async def test_a_mark_that_cannot_be_written_is_nobodys_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "MARK_SECONDS", 0.0)
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    tried = asyncio.Event()

    async def mark() -> bool:
        tried.set()
        raise JournalUnavailable("away")

    async with asyncio.timeout(90):
        with marked_if_long(mark):
            await tried.wait()
    for _ in range(3):
        await asyncio.sleep(0)

    assert told == []
