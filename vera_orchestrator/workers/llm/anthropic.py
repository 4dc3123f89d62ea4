"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import anthropic

from vera_orchestrator.pricing import provider_at
from vera_orchestrator.workers.llm.anthropic_wire import (
    AnsweredMessage,
    Block,
    Delta,
    Event,
    MessageUsage,
    calls_of,
    finish_of,
    request_body,
    text_of,
)
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS, Access, Adapter, ListedModel, ModelPage
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, translated
from vera_orchestrator.workers.llm.forms import LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.kinds import ADDRESSES
from vera_orchestrator.workers.llm.messages import arguments_of
from vera_orchestrator.workers.llm.streaming import Chunk, EndChunk, TextChunk, ToolCallChunk, UsageChunk

HOST = "api.anthropic.com"
REQUEST_ID = "request-id"
PAGE = 1_000  # models, the most that the protocol allows
ERRORS = ClientErrors(
    root=anthropic.AnthropicError,
    connection=anthropic.APIConnectionError,
    late=anthropic.APITimeoutError,
    status=anthropic.APIStatusError,
    credentials=(anthropic.CredentialsError,),
    # Anthropic's words, llama.cpp's type
    too_long=frozenset({"prompt is too long", "exceed_context_size_error"}),
)


class AnthropicAdapter(Adapter):
    """One client for one key and address."""

    api_type = "anthropic"
    optional_fields = frozenset({"thinking"})  # the newest versions refuse top_p and the like, as they do temperature
    tokens_per_image = 4_784  # 2,576 pixels on the long edge, the largest that is not scaled down

    def __init__(self, access: Access) -> None:
        key = access.api_key.get_secret_value()
        self.address = access.base_url or ADDRESSES[self.api_type]
        self._clean = cleaner(key)
        # the client sends the key as a bearer token only, where older servers look for it here
        headers = {"X-Api-Key": key} if access.base_url else None
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=self.address,
            default_headers=headers,
            max_retries=0,
            # a redirect would take the key to a host that nobody has set
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    @property
    def pricing_provider(self) -> str | None:
        """The provider whose address it is; None for gateways and servers of one's own."""
        return provider_at(self.address)

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Send the conversation; a temperature that the provider would refuse is left out and noted in `left_out`."""
        create: Any = self._client.messages.with_raw_response.create
        with self._translated():
            raw = await create(**self._body(call), timeout=_limits(seconds))
            message = AnsweredMessage.model_validate_json(await raw.read())
        return self._answer(call, message, raw.headers.get(REQUEST_ID))

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models: one page holds more than there are."""
        with self._translated():
            raw = await self._client.models.with_raw_response.list(limit=PAGE, timeout=_limits(seconds))
            return ModelPage.model_validate_json(await raw.read()).listed()

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    @property
    def refuses_temperature(self) -> bool:
        """Whether the server takes no temperature."""
        # since the version of 2026-10-21 of its protocol the provider itself refuses it, at any value
        return self._client.base_url.host == HOST

    async def _chunks(self, call: LLMCall, seconds: float) -> AsyncGenerator[Chunk, None]:
        create: Any = self._client.messages.create
        gathered = Gathered()
        with self._translated():
            stream = await create(**self._body(call), stream=True, timeout=_limits(seconds))
            try:
                async for event in stream:
                    for chunk in gathered.add(Event.model_validate(event)):
                        yield chunk
                    if gathered.ended:
                        break
            finally:
                await stream.close()
        if gathered.ended:
            yield EndChunk(answer=self._answer(call, gathered.message(), stream.response.headers.get(REQUEST_ID)))

    def _body(self, call: LLMCall) -> dict[str, Any]:
        sampling = {"temperature": call.temperature} if call.temperature is not None else {}
        left_out = self._left_out(call)
        more = {name: value for name, value in sampling.items() if name not in left_out}
        return {**request_body(call), "extra_body": {**call.extra, **more}}

    def _left_out(self, call: LLMCall) -> list[str]:
        return ["temperature"] if call.temperature is not None and self.refuses_temperature else []

    def _answer(self, call: LLMCall, message: AnsweredMessage, request_id: str | None) -> LLMAnswer:
        left_out = self._left_out(call)
        return LLMAnswer(
            text=text_of(message.content),
            model=message.model or call.model,
            tool_calls=calls_of(message.content),
            usage=message.usage and message.usage.normal(),
            finish_reason=finish_of(message.stop_reason),
            native_finish_reason=message.stop_reason,
            request_id=request_id,
            metrics={"left_out": left_out} if left_out else {},
        )

    def _translated(self) -> AbstractContextManager[None]:
        return translated(ERRORS, self, self._clean)


class Gathered:
    """What has come of a stream."""

    def __init__(self) -> None:
        self.ended = False
        self._model: str | None = None
        self._stop_reason: str | None = None
        self._usage = MessageUsage()
        self._blocks: dict[int, Block] = {}
        self._arguments: dict[int, str] = {}

    def add(self, event: Event) -> list[Chunk]:
        """Take in an event; return the chunks that it makes. Raises ValueError for an odd one."""
        match event.type:
            case "message_start" if event.message is not None:
                self._model = event.message.model
                return self._counted(event.message.usage)
            case "content_block_start" if event.content_block is not None:
                self._blocks[event.index] = event.content_block
                return self._text(event.content_block.text if event.content_block.type == "text" else "")
            case "content_block_delta":
                return self._added(event.index, event.delta or Delta())
            case "content_block_stop":
                return self._whole_call(event.index)
            case "message_delta":
                self._stop_reason = (event.delta and event.delta.stop_reason) or self._stop_reason
                return self._counted(event.usage)
            case "message_stop":
                self.ended = True
            case _:
                pass  # pings, and kinds to come
        return []

    def message(self) -> AnsweredMessage:
        """Return what has come, as the whole message would be."""
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return AnsweredMessage(content=content, model=self._model, stop_reason=self._stop_reason, usage=self._usage)

    def _added(self, index: int, delta: Delta) -> list[Chunk]:
        block = self._blocks.setdefault(index, Block(type="text"))
        if delta.partial_json:
            self._arguments[index] = self._arguments.get(index, "") + delta.partial_json
        if delta.text and block.type == "text":
            self._blocks[index] = block.model_copy(update={"text": block.text + delta.text})
            return self._text(delta.text)
        return []

    def _whole_call(self, index: int) -> list[Chunk]:
        block = self._blocks.get(index)
        if block is None or block.type != "tool_use":
            return []
        if self._arguments.get(index):
            arguments = arguments_of(self._arguments[index])
            if arguments is None:
                raise ValueError("the arguments of a call are no object")
            self._blocks[index] = block = block.model_copy(update={"input": arguments})
        return [ToolCallChunk(call=call) for call in calls_of([block])]

    def _counted(self, usage: MessageUsage | None) -> list[Chunk]:
        if usage is None:
            return []
        self._usage = self._usage.updated(usage)
        normal = self._usage.normal()
        return [] if normal is None else [UsageChunk(usage=normal)]

    @staticmethod
    def _text(text: str) -> list[Chunk]:
        return [TextChunk(text=text)] if text else []


def _limits(seconds: float) -> anthropic.Timeout:
    return anthropic.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
