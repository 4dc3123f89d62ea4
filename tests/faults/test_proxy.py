"""A line that is broken in each way, and mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy
from tests.support import soon


@asynccontextmanager
async def echoing() -> AsyncGenerator[Proxy]:
    """Give a line to a server that says what it heard."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def connected(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection over which one line has gone and come back."""
    reader, writer = await soon(asyncio.open_connection("127.0.0.1", proxy.port))
    writer.write(b"first\n")
    assert await soon(reader.readline()) == b"first\n"
    return reader, writer


async def test_what_hangs_arrives_late_and_whole() -> None:
    async with echoing() as proxy:
        reader, writer = await connected(proxy)
        proxy.hang()
        writer.write(b"late\n")
        answer = asyncio.create_task(reader.readline())
        assert not (await asyncio.wait({answer}, timeout=0.05))[0]
        await proxy.mend()
        assert await soon(answer) == b"late\n"
        writer.close()


async def test_a_connection_that_is_made_while_the_line_hangs_is_carried_later() -> None:
    async with echoing() as proxy:
        proxy.hang()
        connecting = asyncio.create_task(connected(proxy))
        assert not (await asyncio.wait({connecting}, timeout=0.05))[0]
        await proxy.mend()
        _, writer = await soon(connecting)
        writer.close()


async def test_what_is_answered_while_deaf_is_lost_and_the_connection_with_it() -> None:
    async with echoing() as proxy:
        reader, writer = await connected(proxy)
        proxy.deafen()
        writer.write(b"lost\n")
        answer = asyncio.create_task(reader.readline())
        assert not (await asyncio.wait({answer}, timeout=0.05))[0]
        await proxy.mend()
        with pytest.raises(ConnectionResetError):
            await soon(answer)
        _, writer = await connected(proxy)
        writer.close()


async def test_what_is_cut_is_reset_and_refused_until_it_is_mended() -> None:
    async with echoing() as proxy:
        reader, _ = await connected(proxy)
        await proxy.cut()
        with pytest.raises(ConnectionResetError):
            await soon(reader.readline())
        with pytest.raises(ConnectionRefusedError):
            await soon(asyncio.open_connection("127.0.0.1", proxy.port))
        await proxy.mend()
        _, writer = await connected(proxy)
        writer.close()
