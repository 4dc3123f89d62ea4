"""What is done with the chunks of an answer while it comes."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.metering import Channel, Spent
from vera_orchestrator.models import Hook, StreamChunk
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.forms import LLMAnswer
from vera_orchestrator.workers.llm.streaming import Chunk, EndChunk, TextChunk, ToolCallChunk, UsageChunk

BYTES_PER_TOKEN = 4
STEP = 0.01
NEARLY_ALL = 0.99

logger = logging.getLogger(__name__)


class Relay:
    """Hands chunks to the channel, its share of the largest answer (in tokens) to `on_progress`, and keeps account.

    An async `on_progress` is waited for, and what it raises is logged. `cost` is the price of a usage. Usage that comes
    before anything of the answer is handed out with that: until then the attempt can be repeated unseen.
    """

    def __init__(
        self, channel: Channel, *, largest: int, cost: Callable[[Usage], Decimal | None], on_progress: Hook | None
    ) -> None:
        self._channel = channel
        self._largest = largest
        self._cost = cost
        self._on_progress = on_progress
        self._told = 0.0
        self._usage: Usage | None = None
        self._bytes = 0
        self._held: StreamChunk | None = None

    async def add(self, chunk: Chunk) -> LLMAnswer | None:
        """Take in a chunk; return the answer with the last one, which is the orchestrator's to hand out."""
        match chunk:
            case TextChunk():
                self._bytes += len(chunk.text.encode("utf-8", "surrogatepass"))
                self._emit(StreamChunk(kind=ChunkKind.TEXT, text=chunk.text))
                await self._progress()
            case ToolCallChunk():
                called = chunk.call.to_json()
                self._bytes += len(json.dumps(called))
                self._emit(StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=called))
            case UsageChunk():
                self._usage = chunk.usage
                self.report()
                self._emit(StreamChunk(kind=ChunkKind.USAGE, usage=chunk.usage.to_json()))
            case EndChunk():
                self._let_go()
                return chunk.answer
        return None

    def report(self) -> None:
        """Report the most that may be used, for an answer that may end here; nothing if nothing was told.

        Providers tell the input first and the output for good only at the end: a model that thinks, or writes the call
        of a tool, has made tokens of which nothing has come. So the largest output counts until the whole is there.
        """
        if self._usage is None:
            return
        rest = self._largest - self._usage.reasoning
        usage = replace(self._usage, output=max(self._usage.output, rest), estimated=True)
        self._channel.report(Spent(usage=usage, cost=self._cost(usage)))

    def _emit(self, chunk: StreamChunk) -> None:
        if not self._channel.wants_chunks:
            return
        if chunk.kind is ChunkKind.USAGE and not self._channel.has_begun:
            self._held = chunk
            return
        self._let_go()
        self._channel.emit(chunk)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._channel.emit(held)

    async def _progress(self) -> None:
        share = min(NEARLY_ALL, self._bytes / BYTES_PER_TOKEN / self._largest)
        if self._on_progress is None or share < self._told + STEP:
            return
        self._told = share
        try:
            told = self._on_progress(share)
            if inspect.isawaitable(told):
                await told
        except Exception:  # a user's function may raise anything, and harms nobody
            logger.exception("on_progress failed")
