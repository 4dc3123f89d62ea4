"""Many readers of the WebSocket, as a program: `python -m tests.api.live.crowd ADDRESS READERS SUBSCRIBED TASKS`.

It prints `ready` when all have the first status, and at the end, as JSON, how many of the readers saw all tasks
completed in the status, how many of those who had subscribed saw each task end, and how many messages came.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
AT_ONCE = 50


class Socket:
    """As much of a WebSocket client as this needs: it sends one text, and reads what comes."""

    def __init__(self, address: str) -> None:
        self._url = urlsplit(address)

    async def open(self) -> None:
        """Connect and shake hands."""
        self._reader, self._writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        lines = (
            f"GET {self._url.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
        )
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n")[0], head

    def send(self, text: str) -> None:
        """Send a short text."""
        mask, data = os.urandom(4), text.encode()
        assert len(data) < 126
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))
        self._writer.write(bytes([0x81, 0x80 | len(data)]) + mask + masked)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the messages that come, until the server closes."""
        while True:
            first, size = await self._reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8))
            data = await self._reader.readexactly(size)
            if first == 0x88:
                return
            if first == 0x81:
                yield json.loads(data)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Crowd:
    """The readers and what they have seen."""

    def __init__(self, address: str, tasks: int) -> None:
        self._address = address
        self._tasks = tasks
        self.there = asyncio.Semaphore(0)
        self.counted = self.told = self.dropped = self.messages = 0

    async def read(self, opening: asyncio.Semaphore, *, subscribes: bool) -> None:
        """Be one reader, until all tasks have ended."""
        socket = Socket(self._address)
        async with opening:
            await socket.open()
        if subscribes:
            socket.send('{"subscribe": ["task"]}')
        ended: set[str] = set()
        is_there = has_counted = False
        async for message in socket.messages():
            self.messages += 1
            if not is_there and message.get("event") == ("subscribed" if subscribes else None):
                is_there = True
                self.there.release()
            self.dropped += message.get("dropped", 0)
            ended.update(task["id"] for task in message.get("tasks", ()) if task["status"] == "completed")
            if "metrics" in message and message["metrics"]["tasks_completed"] == self._tasks and not has_counted:
                has_counted = True
                self.counted += 1
            if has_counted and (not subscribes or len(ended) == self._tasks):
                self.told += subscribes
                break
        socket.close()


async def main(address: str, readers: int, subscribed: int, tasks: int) -> None:
    """Let all of them read."""
    crowd, opening = Crowd(address, tasks), asyncio.Semaphore(AT_ONCE)
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for number in range(readers):
            group.create_task(crowd.read(opening, subscribes=number < subscribed))
        for _ in range(readers):
            await crowd.there.acquire()
        print("ready", flush=True)  # noqa: T201
    seen = {"counted": crowd.counted, "told": crowd.told, "dropped": crowd.dropped, "messages": crowd.messages}
    print(json.dumps(seen), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(int(number) for number in sys.argv[2:])))
