"""A line between an orchestrator and its database that can be broken in several ways, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False, kw_only=True)
class _Line:
    """One connection: both ends, and the tasks that carry bytes each way."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    carriers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


class Proxy:
    """Carries connections to a port of 127.0.0.1; use it with `async with`.

    Sound at first. `hang` lets bytes of both ways lie until `mend`; `deafen` throws away what the server answers;
    `cut` resets all connections and refuses new ones. After anything but `hang`, `mend` resets what was connected.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._lines: set[_Line] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_deaf = False
        self.port = 0

    async def __aenter__(self) -> Proxy:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def hang(self) -> None:
        """Carry nothing, and lose nothing."""
        self._flowing.clear()

    def deafen(self) -> None:
        """Let no answer through."""
        self._is_deaf = True

    async def cut(self) -> None:
        """Reset what is connected, and refuse what wants to be."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def mend(self) -> None:
        """Be sound again."""
        if self._is_deaf:
            self._is_deaf = False
            await self._reset()
        self._flowing.set()
        if self._server is None:
            await self._listen()

    async def _reset(self) -> None:
        lines, self._lines = self._lines, set()
        for line in lines:
            _reset(line.client)
            if line.server is not None:
                _reset(line.server)
            for carrier in line.carriers:
                carrier.cancel()
        await asyncio.gather(*(carrier for line in lines for carrier in line.carriers), return_exceptions=True)

    async def _accepted(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        line = _Line(client=to_client)
        self._lines.add(line)
        try:
            await self._flowing.wait()
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._lines.discard(line)
            _reset(to_client)
            return
        line.server = to_server
        if line not in self._lines:
            _reset(to_server)
            return
        line.carriers = {
            asyncio.create_task(self._carry(from_client, to_server, answers=False)),
            asyncio.create_task(self._carry(from_server, to_client, answers=True)),
        }
        await asyncio.wait(line.carriers, return_when=asyncio.FIRST_COMPLETED)
        for carrier in line.carriers:
            carrier.cancel()
        self._lines.discard(line)
        for writer in (to_client, to_server):
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK):
                await self._flowing.wait()
                if answers and self._is_deaf:
                    continue
                sink.write(chunk)
                await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its other end sees an error and not an end."""
    end: socket.socket | None = writer.get_extra_info("socket")
    if end is not None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
