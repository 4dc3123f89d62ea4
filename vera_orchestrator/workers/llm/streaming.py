"""An answer in pieces: what they are, and the rules that hold for all providers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from vera_orchestrator.errors import TaskFailed, TaskTimeout, VeraError
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.conversation import ToolCall
from vera_orchestrator.workers.llm.forms import LLMAnswer


@dataclass(frozen=True, kw_only=True)
class TextChunk:
    """The next piece of the text; never empty."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ToolCallChunk:
    """A call, once all of it is there."""

    call: ToolCall


@dataclass(frozen=True, kw_only=True)
class UsageChunk:
    """What is used so far; a later one replaces an earlier one."""

    usage: Usage


@dataclass(frozen=True, kw_only=True)
class EndChunk:
    """The last chunk: the whole answer, as it would have come in one piece."""

    answer: LLMAnswer


Chunk = TextChunk | ToolCallChunk | UsageChunk | EndChunk


class StreamBroken(TaskFailed):
    """A stream that ended too early, after its first chunk.

    `received` is what came; its usage is None where none was reported. `cause` says why, as one of our errors.
    """

    def __init__(self, cause: VeraError, received: LLMAnswer) -> None:
        self.cause = cause
        self.received = received
        super().__init__(f"The stream broke: {cause.message}", remedy=cause.remedy, retry_after=cause.retry_after)


@dataclass
class Received:
    """What has come of a stream."""

    model: str
    texts: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    usage: Usage | None = None
    begun: bool = False

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        self.begun = True
        match chunk:
            case TextChunk():
                self.texts.append(chunk.text)
            case ToolCallChunk():
                self.calls.append(chunk.call)
            case UsageChunk():
                self.usage = chunk.usage
            case EndChunk():
                pass

    def answer(self) -> LLMAnswer:
        """Return it as an answer."""
        return LLMAnswer(text="".join(self.texts), model=self.model, tool_calls=tuple(self.calls), usage=self.usage)


async def guarded(
    chunks: AsyncGenerator[Chunk, None], *, api_type: str, model: str, seconds: float
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of a provider until the whole is there, within a time that counts from the first request.

    The time that the reader takes counts too. Raises the adapter's errors before the first chunk, StreamBroken after
    it. Closing this closes the provider's stream.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    received = Received(model=model)
    try:
        while True:
            chunk = await _next(chunks, deadline, api_type)
            received.add(chunk)
            yield chunk
            if isinstance(chunk, EndChunk):
                return
    except VeraError as error:
        if not received.begun:
            raise
        raise StreamBroken(error, received.answer()) from None
    finally:
        await chunks.aclose()


async def _next(chunks: AsyncGenerator[Chunk, None], deadline: float, api_type: str) -> Chunk:
    try:
        # entered and left for each chunk: a time limit must not stay open while the reader has its turn
        async with asyncio.timeout_at(deadline):
            return await anext(chunks)
    except VeraError:
        raise
    except TimeoutError:
        raise TaskTimeout(f"{api_type} did not answer in time.", remedy="Raise the task's timeout_seconds.") from None
    except StopAsyncIteration:
        raise TaskFailed(f"The stream of {api_type} ended before the answer did.") from None
