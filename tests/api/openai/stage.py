"""The app under uvicorn with simulated providers, and the official client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import uvicorn
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage

from api.app import create_app
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.support import PATIENCE, soon

HI = [{"role": "user", "content": "one two three"}]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A served orchestrator, its address, and a client of its `/v1`."""

    one: UnifiedOrchestrator
    address: str
    client: openai.AsyncOpenAI

    async def raw(self, **more: Any) -> tuple[ChatCompletion, httpx.Headers]:
        """Return a whole answer and its headers."""
        create: Any = self.client.chat.completions.with_raw_response.create
        answer = await create(**{"model": "openai/m", "messages": HI, **more})
        return answer.parse(), answer.headers

    async def chat(self, **more: Any) -> ChatCompletion:
        """Return a whole answer."""
        return (await self.raw(**more))[0]

    async def pieces(self, **more: Any) -> list[ChatCompletionChunk]:
        """Return an answer in pieces."""
        create: Any = self.client.chat.completions.create
        stream: Any = await create(**{"model": "openai/m", "messages": HI, "stream": True, **more})
        return [piece async for piece in stream]

    async def message(self, *, stream: bool, **more: Any) -> ChatCompletionMessage:
        """Return what the model says, as the client puts it together."""
        if not stream:
            return (await self.chat(**more)).choices[0].message
        begin: Any = self.client.chat.completions.stream
        async with begin(**{"model": "openai/m", "messages": HI, **more}) as events:
            completion: ChatCompletion = await events.get_final_completion()
        return completion.choices[0].message


@asynccontextmanager
async def served(one: UnifiedOrchestrator) -> AsyncGenerator[Stage]:
    """Serve a running orchestrator while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(one), log_config=None, timeout_graceful_shutdown=1))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with openai_client(f"{address}/v1") as client, running(server, listener):
        yield Stage(one=one, address=address, client=client)


@asynccontextmanager
async def running(server: uvicorn.Server, listener: socket.socket) -> AsyncGenerator[None]:
    """Run a server on this loop; connections wait in the socket until it takes them."""
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await soon(task)


def openai_client(base_url: str, api_key: str = "none-needed", **more: Any) -> openai.AsyncOpenAI:
    """Return the official client, which makes no retries."""
    return openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=PATIENCE, **more)
