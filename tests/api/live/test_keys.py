"""What a live reader with a key sees, and for how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from api.live import socket, stream
from BackgroundCognition.orchestrator import Task
from tests.api.live.support import listening, subscribe, task_where
from tests.api.support import echoing
from vera_orchestrator.callers import Scope
from vera_orchestrator.keys import NewKey


def reading(address: str, key: NewKey) -> connect:
    return connect(address, additional_headers={"Authorization": f"Bearer {key.key}"})


async def test_a_reader_is_told_only_of_its_own_tasks_and_a_manager_of_all(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address:
        mine = await orchestrator.keys.create("mine", scopes={Scope.READ, Scope.SUBMIT})
        boss = await orchestrator.keys.create("boss", scopes={Scope.MANAGE})
        async with reading(address, mine) as reader, reading(address, boss) as manager:
            for one in (reader, manager):
                await subscribe(one, "task")
            await orchestrator.submit_task(Task(id="another's"), wait=True)
            await orchestrator.submit_task(Task(id="mine", caller=mine.row.id), wait=True)
            assert (await task_where(reader, "completed"))["id"] == "mine"
            assert (await task_where(manager, "completed"))["id"] == "another's"


async def closed(client: ClientConnection) -> int:
    """Return the code that the server closes with."""
    with pytest.raises(ConnectionClosedError) as closing:
        while True:
            await client.recv()
    assert closing.value.rcvd is not None
    return closing.value.rcvd.code


async def test_a_connection_ends_soon_after_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (socket, stream):
        monkeypatch.setattr(module, "RECHECK_SECONDS", 0.05)
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, asyncio.timeout(90):
        key = await orchestrator.keys.create("mine", scopes={Scope.READ, Scope.SUBMIT})
        await orchestrator.submit_task(Task(id="t", caller=key.row.id, payload={"wait": True}))
        url = address.replace("ws://", "http://").replace("/ws/status", "/tasks/t/events")
        headers = {"Authorization": f"Bearer {key.key}"}
        async with (
            reading(address, key) as reader,
            connect(address) as local,
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("GET", url, headers=headers) as followed,
        ):
            lines = followed.aiter_lines()
            assert await anext(lines) == "event: task"
            await orchestrator.keys.revoke(key.row.id)
            assert await closed(reader) == 1008
            assert [line async for line in lines if line.startswith("event: ")] == []
            await local.recv()
