"""Events over the WebSocket, for clients that subscribe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from BackgroundCognition.orchestrator import Task, WorkerStatus
from tests.api.live.support import event_of, listening, message_where, status_where, subscribe, task_where
from tests.api.support import EchoWorker, echoing


async def test_a_client_that_says_nothing_gets_no_events(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        await orchestrator.submit_task(Task(), wait=True)
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["metrics"]["tasks_completed"] == 0:
            messages.append(json.loads(await socket.recv()))
        assert not any("event" in message for message in messages)


async def test_tasks_are_told_in_brief_with_how_they_stand(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        assert await subscribe(socket, "task") == {"event": "subscribed", "topics": ["task"]}
        worker = orchestrator.worker_registry.require("echo")
        assert isinstance(worker, EchoWorker)
        await orchestrator.submit_task(Task(id="a", payload={"wait": True, "much": "x" * 10_000}))
        running = await task_where(socket, "running")
        assert (running["id"], running["worker_id"]) == ("a", "echo")
        assert "payload" not in running
        worker.gate.set()
        task = await task_where(socket, "completed")
        assert (task["progress"], task["worker_id"]) == (1.0, "echo")
        assert set(task["result"]) == {"success", "error", "execution_time_ms", "worker_id"}


async def test_tasks_can_be_narrowed_to_a_batch_or_a_task(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as batch, connect(address) as one:
        await subscribe(batch, "task", batch_id="b")
        await subscribe(one, "task", task_id="alone")
        await orchestrator.submit_task(Task(id="other"), wait=True)
        await orchestrator.submit_task(Task(id="alone"), wait=True)
        await orchestrator.submit_batch([Task(id="x"), Task(id="y")], batch_id="b", wait=True)
        told = await event_of(batch, "task")
        assert {task["id"] for task in told["tasks"]} <= {"x", "y"}
        assert told["dropped"] == 0
        assert [task["id"] for task in (await event_of(one, "task"))["tasks"]] == ["alone"]


async def test_workers_are_told_all_at_first_and_then_as_they_change_and_go(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        await subscribe(socket, "worker")
        first = await event_of(socket, "worker")
        assert {worker["id"] for worker in first["workers"]} >= {"echo", "docker-1"}
        worker = orchestrator.worker_registry.require("echo")
        worker.status, worker.status_reason = WorkerStatus.ERROR, "it broke"
        [told] = (await event_of(socket, "worker"))["workers"]
        assert (told["id"], told["status"], told["status_reason"]) == ("echo", "error", "it broke")
        await orchestrator.worker_registry.unregister("echo")
        gone = await message_where(socket, lambda message: bool(message.get("removed")))
        assert (gone["workers"], gone["removed"]) == ([], ["echo"])


async def test_spending_is_told_at_first(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        await subscribe(socket, "spend")
        told = await event_of(socket, "spend")
        assert told["llm_api_usage"] == orchestrator.resource_manager.get_resource_stats()["llm_api_usage"]


async def test_a_client_can_unsubscribe_and_still_gets_the_status(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        await subscribe(socket, "task", "worker")
        await event_of(socket, "worker")
        await socket.send(json.dumps({"unsubscribe": ["task", "worker"]}))
        assert (await event_of(socket, "subscribed"))["topics"] == []
        await orchestrator.submit_task(Task(), wait=True)
        later: list[dict[str, Any]] = []
        while not later or later[-1]["metrics"]["tasks_completed"] == 0:
            later.append(json.loads(await socket.recv()))
        assert not any("event" in message for message in later)


SENSELESS = (
    "hello",
    "[]",
    "{}",
    '{"subscribe": "task"}',
    '{"subscribe": ["money"]}',
    '{"subscribe": [], "batch_id": 1}',
    '{"subscribe": ["task"], "filter": 1}',
    "[" * 3_000,
    '{"subscribe": ["' + "x" * 5_000 + '"]}',
    b"bytes",
)


async def test_what_cannot_be_understood_is_answered_with_the_remedy(tmp_path: Path) -> None:
    async with listening(echoing(tmp_path)) as address, connect(address) as socket:
        for said in SENSELESS:
            await socket.send(said)
            told = await event_of(socket, "error")
            assert told["detail"] and told["remedy"]
        await status_where(socket, lambda status: status["is_running"])
