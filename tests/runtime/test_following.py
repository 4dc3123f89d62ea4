"""Following one task while it lives."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.runtime.conftest import Make
from tests.runtime.metered import Held, Metered, metered, use_it_all
from tests.support import Failing, Gate, Scripted, echo, run, soon
from vera_orchestrator.enums import ChunkKind, TaskStatus
from vera_orchestrator.errors import NotFound, OrchestratorStopped, TaskFailed
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import StreamChunk, Task, TaskResult
from vera_orchestrator.runtime.following import Update, UpdateKind, follow
from vera_orchestrator.runtime.orchestrator import Orchestrator


class Telling:
    """A behaviour that says a word each time it is let go on, and fails `times` after the first one."""

    def __init__(self, *words: str, times: int = 0) -> None:
        self._words, self._times = words, times
        self.go_on = asyncio.Semaphore(0)
        self.said = asyncio.Semaphore(0)

    async def __call__(self, task: Task, channel: Channel) -> TaskResult:
        for word in self._words:
            await self.go_on.acquire()
            channel.emit(StreamChunk(kind=ChunkKind.TEXT, text=word))
            self.said.release()
            if self._times:
                self._times -= 1
                raise TaskFailed("cut off")
        result = await use_it_all(task, channel)
        result.data = "".join(self._words)
        return result


async def followed(one: Orchestrator, task_id: str, after: str | None = None) -> list[Update]:
    return [update async for update in follow(one, task_id, after)]


def shown(updates: list[Update]) -> list[str]:
    """Return updates in short: a task by its status, text with where it begins."""
    short: list[str] = []
    for update in updates:
        if update.task is not None:
            short.append(str(update.task.status))
        elif update.chunk is not None:
            short.append(f"{update.offset}:{update.chunk.text}")
        else:
            short.append(str(update.kind) if update.fraction is None else f"{update.fraction:.0%}")
    return short


def streamed(task_id: str) -> Task:
    task = metered(task_id)
    task.payload["stream"] = True
    return task


class Reading:
    """Somebody who follows a task, from when it has been told how it stands."""

    def __init__(self, one: Orchestrator, task_id: str) -> None:
        self._there = asyncio.Event()
        self._updates: list[Update] = []
        self._reading = asyncio.create_task(self._read(one, task_id))

    async def _read(self, one: Orchestrator, task_id: str) -> None:
        async for update in follow(one, task_id):
            self._updates.append(update)
            self._there.set()

    async def begun(self) -> Reading:
        await soon(self._there.wait())
        return self

    async def ended(self) -> list[Update]:
        await soon(self._reading)
        return self._updates


async def test_a_task_is_followed_to_its_end(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate)
    first = await one.submit_task(Task())
    await gate.next()
    await one.submit_task(Task(id="t"))
    following = await Reading(one, "t").begun()
    gate.open()
    updates = await following.ended()
    assert updates[0].task is not None and updates[0].task.status is TaskStatus.WAITING_RESOURCES
    assert shown(updates)[-2:] == ["completed", "end"]
    assert updates[-1].result is not None and updates[-1].result.success
    assert isinstance(first, str)


async def test_who_comes_late_gets_the_text_so_far_as_one_piece_and_then_each(make: Make) -> None:
    telling = Telling("one ", "two ", "three")
    one = await make(Metered(behaviour=telling))
    await one.submit_task(streamed("t"))
    for _ in range(2):
        telling.go_on.release()
        await soon(telling.said.acquire())
    async with aclosing(follow(one, "t")) as updates:
        first = [await soon(anext(updates)) for _ in range(2)]
        assert shown(first) == ["running", "0:one two "]
        telling.go_on.release()
        assert shown([await soon(anext(updates))]) == ["8:three"]
        assert shown([update async for update in updates]) == ["completed", "end"]


async def test_who_comes_back_goes_on_where_it_was(make: Make) -> None:
    telling = Telling("one ", "two ", "three")
    one = await make(Metered(behaviour=telling))
    await one.submit_task(streamed("t"))
    telling.go_on.release()
    await soon(telling.said.acquire())
    async with aclosing(follow(one, "t")) as updates:
        [_, said] = [await soon(anext(updates)) for _ in range(2)]
    telling.go_on.release()
    await soon(telling.said.acquire())
    async with aclosing(follow(one, "t", said.place)) as updates:
        assert shown([await soon(anext(updates)) for _ in range(2)]) == ["running", "4:two "]
    for nonsense in ("", "-", "x-1", "x", f"{said.place}9", "-1"):
        async with aclosing(follow(one, "t", nonsense)) as updates:
            assert shown([await soon(anext(updates)) for _ in range(2)])[1] == "0:one two "
    telling.go_on.release()
    await soon(one.wait_for("t"))


async def test_who_listens_before_the_attempt_gets_its_text_without_asking_for_a_stream(make: Make) -> None:
    held, telling = Held(), Telling("all")
    one = await make(Metered("first", held, offers=()), Metered(behaviour=telling))
    task = metered("t", depends_on=["before"])
    await one.submit_batch([metered("before"), task])
    following = await Reading(one, "t").begun()
    for _ in range(2):
        telling.go_on.release()
    updates = shown(await following.ended())
    assert (updates[0], updates[-3:]) == ("pending", ["0:all", "completed", "end"])


async def test_nobody_is_told_the_text_of_a_task_that_is_not_streamed(make: Make) -> None:
    telling = Telling("all")
    one = await make(Metered(behaviour=telling))
    await one.submit_task(metered("t"))
    telling.go_on.release()
    await soon(one.wait_for("t"))
    assert shown(await soon(followed(one, "t"))) == ["completed", "end"]


async def test_an_attempt_is_repeated_although_somebody_reads_along(make: Make) -> None:
    telling = Telling("again", times=1)
    one = await make(Metered(behaviour=telling))
    await one.submit_task(streamed("t"))
    following = await Reading(one, "t").begun()
    for _ in range(2):
        telling.go_on.release()
    updates = await following.ended()
    texts = [update for update in updates if update.kind is UpdateKind.TEXT]
    assert {update.offset for update in texts} == {0}
    assert updates[-1].result is not None and updates[-1].result.data == "again"


async def test_progress_is_followed(make: Make) -> None:
    gate = asyncio.Event()

    async def in_steps(task: Task) -> TaskResult:
        await gate.wait()
        assert task.on_progress is not None
        task.on_progress(0.5)
        return await echo(task)

    one = await make(Scripted(in_steps))
    one.events.subscribe(lambda _: None)
    await one.submit_task(Task(id="t"))
    following = await Reading(one, "t").begun()
    gate.set()
    assert "50%" in shown(await following.ended())


async def test_a_task_that_has_ended_is_told_with_its_result(make: Make) -> None:
    one = await make(Failing(times=9))
    await run(one, Task(id="t", max_retries=0))
    updates = await soon(followed(one, "t"))
    assert shown(updates) == ["failed", "end"]
    assert updates[-1].result is not None and not updates[-1].result.success
    assert updates[-1].place == "end"


async def test_an_unknown_task_cannot_be_followed_and_leaves_nothing(make: Make) -> None:
    one = await make(Scripted())
    with pytest.raises(NotFound):
        await followed(one, "nobody")
    assert not one.events.has_listeners


async def test_whoever_leaves_does_not_cancel_the_task_and_nothing_is_kept_of_it(make: Make) -> None:
    telling = Telling("all")
    one = await make(Metered(behaviour=telling))
    await one.submit_task(streamed("t"))
    async with aclosing(follow(one, "t")) as updates:
        await soon(anext(updates))
    telling.go_on.release()
    assert (await soon(one.wait_for("t"))).success
    assert not one.events.has_listeners


async def test_a_stop_is_told_to_those_who_follow(make: Make) -> None:
    gate = Gate()
    one = await make(gate)
    await one.submit_task(Task(id="t"))
    await gate.next()
    following = await Reading(one, "t").begun()
    await soon(one.stop())
    with pytest.raises(OrchestratorStopped):
        await following.ended()


async def test_a_task_that_another_process_runs_is_followed(make_shared: Make) -> None:
    gate = Gate(worker_id="there")
    there = await make_shared(gate)
    here = await make_shared()
    await there.submit_task(Task(id="t"))
    await gate.next()
    following = await Reading(here, "t").begun()
    gate.open()
    updates = await following.ended()
    assert shown(updates)[0] in ("queued", "running")  # its start is written while it runs
    assert shown(updates)[-2:] == ["completed", "end"]


async def test_where_the_payload_has_secrets_nobody_reads_along(make: Make) -> None:
    telling = Telling("all")
    one = await make(Metered(behaviour=telling))
    task = streamed("t")
    task.payload["api_key"] = "so very secret"
    await one.submit_task(task)
    following = await Reading(one, "t").begun()
    telling.go_on.release()
    assert not any(":" in one for one in shown(await following.ended()))
