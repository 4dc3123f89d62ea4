"""What is computed for readers, and that it is computed once for all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.live.hub import Hub, Show
from api.live.readers import Reader
from api.live.wishes import Topic, Wish
from BackgroundCognition.orchestrator import Task, UnifiedOrchestrator
from tests.api.support import echoing
from vera_orchestrator.callers import LOCAL

MANY = 200
TASKS = Wish(subscribe=frozenset({Topic.TASK}))


class Counted:
    """A status that counts how often it was read."""

    def __init__(self, orchestrator: UnifiedOrchestrator) -> None:
        self._read = orchestrator.get_status
        self.count = 0

    def __call__(self) -> dict[str, Any]:
        self.count += 1
        return self._read()


@pytest.fixture
async def orchestrator(tmp_path: Path) -> AsyncIterator[UnifiedOrchestrator]:
    async with echoing(tmp_path) as orchestrator:
        yield orchestrator


async def joined(hub: Hub, count: int) -> tuple[Show, list[Reader]]:
    readers = [Reader(caller=LOCAL) for _ in range(count)]
    shows = [hub.join(reader) for reader in readers]
    return shows[0], readers


async def next_of(show: Show, reader: Reader) -> str:
    async with asyncio.timeout(90):
        while (text := show.next(reader)) is None:
            reader.woken.clear()
            await reader.woken.wait()
        return text


async def test_one_status_serves_all_readers(orchestrator: UnifiedOrchestrator) -> None:
    orchestrator.get_status = counted = Counted(orchestrator)
    hub = Hub(orchestrator)
    show, readers = await joined(hub, MANY)
    first = {id(await next_of(show, reader)) for reader in readers}
    assert (len(first), counted.count) == (1, 1)
    await orchestrator.submit_task(Task(), wait=True)
    while json.loads(await next_of(show, readers[0]))["metrics"]["tasks_completed"] != 1:
        pass
    assert len({id(await next_of(show, reader)) for reader in readers[1:]}) == 1
    assert counted.count < 6


async def test_one_message_serves_all_who_are_at_the_same_place(orchestrator: UnifiedOrchestrator) -> None:
    hub = Hub(orchestrator)
    show, readers = await joined(hub, MANY)
    for reader in readers:
        await show.wish(reader, TASKS)
        while show.next(reader) is not None:
            pass
    await orchestrator.submit_task(Task(id="t"), wait=True)
    texts: set[int] = set()
    for reader in readers:
        while '"event":"task"' not in (text := await next_of(show, reader)):
            pass
        texts.add(id(text))
    assert len(texts) == 1


async def test_where_nobody_reads_nobody_listens(orchestrator: UnifiedOrchestrator) -> None:
    hub = Hub(orchestrator)
    assert not orchestrator.events.has_listeners
    _, readers = await joined(hub, 2)
    for reader in readers:
        assert orchestrator.events.has_listeners
        hub.leave(reader)
        hub.leave(reader)
    assert not orchestrator.events.has_listeners


async def test_one_topic_that_cannot_be_had_leaves_the_others(
    orchestrator: UnifiedOrchestrator, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub(orchestrator)
    show, [reader] = await joined(hub, 1)
    await show.wish(reader, TASKS)

    def fail() -> dict[str, Any]:
        raise RuntimeError("no status today")

    show._status._read = fail  # pyright: ignore[reportPrivateUsage]
    await orchestrator.submit_task(Task(id="t"), wait=True)
    while '"id":"t"' not in await next_of(show, reader):
        pass
    assert "no status today" in caplog.text
    hub.leave(reader)
