"""One task as server-sent events, from a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from BackgroundCognition.orchestrator import Task, TaskResult, UnifiedOrchestrator
from tests.api.live.support import listening
from tests.api.support import EchoWorker, echoing, problem
from tests.runtime.metered import Metered, metered, use_it_all
from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import StreamChunk


class Told(NamedTuple):
    event: str
    data: Any
    id: str | None


async def events_in(response: httpx.Response) -> AsyncGenerator[Told]:
    """Yield the events of an answer; comments are left out."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield Told(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}


class Speaker:
    """Says each word when it is let go on, calls a tool and tells what it has used."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.go_on = asyncio.Semaphore(0)

    async def __call__(self, task: Task, channel: Channel) -> TaskResult:
        for word in self._words:
            await self.go_on.acquire()
            channel.emit(StreamChunk(kind=ChunkKind.TEXT, text=word))
        channel.emit(StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call={"name": "look"}))
        channel.emit(StreamChunk(kind=ChunkKind.USAGE, usage={"input": 3}))
        result = await use_it_all(task, channel)
        result.data = "".join(self._words)
        return result


class Stage(NamedTuple):
    orchestrator: UnifiedOrchestrator
    client: httpx.AsyncClient

    @asynccontextmanager
    async def following(self, task_id: str, **headers: str) -> AsyncGenerator[AsyncIterator[Told]]:
        """Follow a task while the block lasts."""
        async with asyncio.timeout(90), self.client.stream("GET", f"/tasks/{task_id}/events", headers=headers) as got:
            assert (got.status_code, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            async with aclosing(events_in(got)) as told:
                yield told


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address:
        base_url = address.replace("ws://", "http://").removesuffix("/ws/status")
        async with httpx.AsyncClient(base_url=base_url, timeout=90, trust_env=False) as client:
            yield Stage(orchestrator, client)


async def test_a_task_is_told_from_how_it_stands_to_its_result(stage: Stage) -> None:
    worker = stage.orchestrator.worker_registry.require("echo")
    assert isinstance(worker, EchoWorker)
    await stage.orchestrator.submit_task(Task(id="a/b", payload={"wait": True}))
    async with stage.following("a/b") as told:
        first = await anext(told)
        assert (first.event, first.data["id"]) == ("task", "a/b")
        assert "payload" not in first.data
        if first.data["status"] != "running":  # it may not have begun yet
            assert first.data["status"] == "queued"
            assert (await anext(told)).data["status"] == "running"
        worker.gate.set()
        *_, changed, end = [one async for one in told]
    assert (changed.event, changed.data["status"]) == ("task", "completed")
    assert (end.event, end.id, end.data["data"], end.data["worker_id"]) == ("end", "end", {"wait": True}, "echo")


async def test_text_calls_and_use_come_as_they_are_made_and_a_reader_goes_on_where_it_was(stage: Stage) -> None:
    speaker = Speaker("ein\n", "zwei ✓")
    await stage.orchestrator.worker_registry.register(Metered(behaviour=speaker))
    task = metered("t")
    task.payload["stream"] = True
    await stage.orchestrator.submit_task(task)
    async with stage.following("t") as told:
        assert (await anext(told)).event == "task"
        speaker.go_on.release()
        said = await anext(one async for one in told if one.event == "text")
        async with stage.following("t", **{"Last-Event-ID": said.id or ""}) as again:
            assert (await anext(again)).event == "task"
            speaker.go_on.release()
            rest = [one async for one in again]
    assert rest[0][:2] == ("text", {"text": "zwei ✓", "offset": 4})
    assert [one[:2] for one in rest[1:3]] == [("tool_call", {"name": "look"}), ("usage", {"input": 3})]
    assert rest[-1].data["data"] == "ein\nzwei ✓"


async def test_an_ended_task_is_told_at_once_and_its_reader_not_again(
    stage: Stage,
) -> None:
    await stage.orchestrator.submit_task(Task(id="t"), wait=True)
    async with stage.following("t") as told:
        assert [one.event async for one in told] == ["task", "end"]
    seen = await stage.client.get("/tasks/t/events", headers={"Last-Event-ID": "end"})
    assert (seen.status_code, seen.content) == (204, b"")
    problem(await stage.client.get("/tasks/nobody/events"), 404)


@pytest.mark.parametrize("place", ["x-" + "9" * 5_000, "-", "x-y", "end-1"])
async def test_a_place_that_nobody_gave_is_the_beginning(stage: Stage, place: str) -> None:
    worker = stage.orchestrator.worker_registry.require("echo")
    assert isinstance(worker, EchoWorker)
    await stage.orchestrator.submit_task(Task(id="t", payload={"wait": True}))
    async with stage.following("t", **{"Last-Event-ID": place}) as told:
        assert (await anext(told)).event == "task"
        worker.gate.set()
        assert [one.event async for one in told][-1] == "end"


async def test_who_leaves_does_not_cancel_the_task_and_leaves_nothing(stage: Stage) -> None:
    worker = stage.orchestrator.worker_registry.require("echo")
    assert isinstance(worker, EchoWorker)
    await stage.orchestrator.submit_task(Task(id="t", payload={"wait": True}))
    async with stage.following("t") as told:
        await anext(told)
    worker.gate.set()
    assert (await stage.orchestrator.wait_for("t", 10)).success


async def test_the_stop_of_the_orchestrator_is_told(stage: Stage) -> None:
    await stage.orchestrator.submit_task(Task(id="t", payload={"wait": True}))
    async with stage.following("t") as told:
        await anext(told)
        stopping = asyncio.create_task(stage.orchestrator.stop())
        *_, last = [one async for one in told]
        await stopping
    assert last.event == "error"
    assert last.data["remedy"]
