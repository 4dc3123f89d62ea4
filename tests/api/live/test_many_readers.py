"""Many readers while many tasks run: each ends with the true counts, and one that does not read harms none."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from api.live import socket as live_socket
from BackgroundCognition.orchestrator import Task, UnifiedOrchestrator
from tests.api.live.crowd import KEY
from tests.api.live.support import listening, message_where, subscribe
from tests.api.support import echoing

PAGE = 4096
START_BYTES = 60_000_000
"""What the first start in a process takes, readers or not."""
READER_BYTES = 80_000
"""What one reader may cost: its connection at the server, and what it has not read."""


def resident() -> int:
    """Return how many bytes this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@asynccontextmanager
async def crowd(address: str, readers: int, subscribed: int, tasks: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Let many read in a process of their own, from when all of them are there."""
    command = ["-m", "tests.api.live.crowd", address, str(readers), str(subscribed), str(tasks)]
    program = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    try:
        assert await program.stdout.readline() == b"ready\n"
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


@pytest.mark.parametrize(
    ("readers", "subscribed", "tasks"),
    [(100, 20, 300), pytest.param(1_000, 100, 2_000, marks=pytest.mark.soak)],
)
async def test_every_reader_ends_with_the_true_counts(
    tmp_path: Path, readers: int, subscribed: int, tasks: int
) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address:
        before = resident()
        async with crowd(address, readers, subscribed, tasks) as program:
            await orchestrator.submit_batch([Task(payload={"n": number}) for number in range(tasks)], wait=True)
            assert program.stdout is not None
            seen = json.loads(await program.stdout.readline())
        grown = resident() - before
    assert (seen["counted"], seen["told"], seen["dropped"]) == (readers, subscribed, 0)
    assert grown < START_BYTES + readers * READER_BYTES


async def stopped(address: str) -> socket.socket:
    """Return a client that has subscribed to tasks and reads nothing from then on."""
    url = urlsplit(address)
    assert url.hostname and url.port
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PAGE)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (url.hostname, url.port))
    head = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    shake = f"{head}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    await loop.sock_sendall(client, shake.encode())
    await loop.sock_recv(client, 12)
    wish = b'{"subscribe": ["task"]}'
    await loop.sock_sendall(client, bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
    return client


async def talk_much(orchestrator: UnifiedOrchestrator) -> None:
    """Make some megabytes of news."""
    tasks = [Task(metadata={"text": "x" * 6_000}) for _ in range(800)]
    await orchestrator.submit_batch(tasks, wait=True)


async def test_a_reader_that_stops_reading_is_dropped_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = asyncio.Event()
    drop = live_socket.drop

    async def dropping(*arguments: object) -> None:
        await drop(*arguments)  # pyright: ignore[reportArgumentType]
        dropped.set()

    monkeypatch.setattr(live_socket, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(live_socket, "PARTING_SECONDS", 0.1)
    monkeypatch.setattr(live_socket, "drop", dropping)
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as reader:
        await subscribe(reader, "task")
        client = await stopped(address)
        async with asyncio.timeout(90):
            talking = asyncio.create_task(talk_much(orchestrator))
            told = await message_where(reader, lambda m: m.get("metrics", {}).get("tasks_completed", 0) == 800)
            await talking
            await dropped.wait()
        assert told["is_running"]
        await orchestrator.submit_task(Task(id="later"), wait=True)
        await message_where(reader, lambda message: any(task["id"] == "later" for task in message.get("tasks", ())))
        client.close()
