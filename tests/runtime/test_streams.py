"""Results in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.runtime.conftest import Make
from tests.runtime.metered import Held, Metered, metered, use_it_all
from tests.support import Scripted, soon
from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.errors import InvalidPayload, TaskFailed
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import StreamChunk, Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator


def text(words: str) -> StreamChunk:
    return StreamChunk(kind=ChunkKind.TEXT, text=words)


async def collected(chunks: AsyncIterator[StreamChunk]) -> list[StreamChunk]:
    return [chunk async for chunk in chunks]


async def read(one: Orchestrator, task: Task) -> tuple[list[str], TaskResult]:
    """Return the texts of a stream, and the result in its last chunk."""
    *chunks, last = await soon(collected(one.submit_stream(task)))
    assert last.kind is ChunkKind.END and last.result is not None
    return [chunk.text for chunk in chunks], last.result


class Speaking:
    """A behaviour that gives its words one by one; it fails `before` so many attempts, or `after` the first word."""

    def __init__(self, *, before: int = 0, after: int = 0) -> None:
        self._before, self._after = before, after
        self.listened: list[bool] = []

    async def __call__(self, task: Task, channel: Channel) -> TaskResult:
        self.listened.append(channel.wants_chunks)
        if len(self.listened) <= self._before:
            raise TaskFailed("not yet")
        channel.emit(text("one "))
        if len(self.listened) <= self._after:
            raise TaskFailed("cut off")
        channel.emit(text("two"))
        result = await use_it_all(task, channel)
        result.data = "one two"
        return result


async def test_chunks_come_in_order_and_the_last_holds_the_whole(make: Make) -> None:
    one = await make(Metered(behaviour=Speaking()))
    texts, result = await read(one, metered("t"))
    assert texts == ["one ", "two"]
    assert (result.success, result.data, result.worker_id) == (True, "one two", "meter")


async def test_nobody_listens_to_a_task_that_is_not_streamed(make: Make) -> None:
    speaking = Speaking()
    one = await make(Metered(behaviour=speaking))
    await soon(one.submit_task(metered("t"), wait=True))
    assert speaking.listened == [False]


async def test_a_failure_before_the_first_chunk_is_retried_unseen(make: Make) -> None:
    one = await make(Metered(behaviour=Speaking(before=2)))
    texts, result = await read(one, metered("t"))
    assert (texts, result.success) == (["one ", "two"], True)


async def test_a_failure_after_the_first_chunk_is_final(make: Make) -> None:
    speaking = Speaking(after=1)
    one = await make(Metered("a", speaking), Metered("b"))
    texts, result = await read(one, metered("t"))
    assert (texts, result.success, result.error) == (["one "], False, "cut off")
    assert len(speaking.listened) == 1


async def test_a_worker_that_does_not_stream_gives_its_text_as_one_chunk(make: Make) -> None:
    one = await make(Scripted())
    texts, result = await read(one, Task(payload={"data": "all of it"}))
    assert (texts, result.data) == (["all of it"], "all of it")


async def test_a_reader_that_leaves_early_does_not_cancel_the_task(make: Make) -> None:
    held = Held()

    async def speak_and_wait(task: Task, channel: Channel) -> TaskResult:
        channel.emit(text("one "))
        return await held(task, channel)

    one = await make(Metered(behaviour=speak_and_wait))
    stream = one.submit_stream(metered("t"))
    assert (await soon(anext(stream))).text == "one "
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    held.go_on.set()
    assert (await soon(one.wait_for("t"))).success


async def test_what_is_refused_is_refused_at_the_first_chunk(make: Make) -> None:
    one = await make(Metered())
    with pytest.raises(InvalidPayload):
        await soon(collected(one.submit_stream(Task(payload=[]))))  # pyright: ignore[reportArgumentType]
