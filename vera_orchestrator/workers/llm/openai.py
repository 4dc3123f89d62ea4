"""OpenAI's chat completions and embeddings, and the many servers that speak them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import openai

from vera_orchestrator.pricing import provider_at
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS, Access, Adapter, ListedModel, ModelPage
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, translated
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.kinds import ADDRESSES
from vera_orchestrator.workers.llm.openai_post import OpenAIPost
from vera_orchestrator.workers.llm.openai_wire import (
    Call,
    ChatMessage,
    Completion,
    CompletionPiece,
    Vectors,
    calls_of,
    embedding_body,
    finish_of,
    joined,
    request_body,
    text_of,
)
from vera_orchestrator.workers.llm.streaming import Chunk, EndChunk, TextChunk, ToolCallChunk, UsageChunk

HOST = "api.openai.com"
REQUEST_ID = "x-request-id"
ERRORS = ClientErrors(
    root=openai.OpenAIError,
    connection=openai.APIConnectionError,
    late=openai.APITimeoutError,
    status=openai.APIStatusError,
    # OpenAI's code, llama.cpp's type, the words of vLLM
    too_long=frozenset({"context_length_exceeded", "exceed_context_size_error", "maximum context length"}),
)


class OpenAIAdapter(Adapter):
    """One client for one key and address."""

    api_type = "openai"
    optional_fields = None
    tokens_per_image = 48_169  # gpt-4o-mini at high detail: 2,833 and eight tiles of 5,667

    def __init__(self, access: Access) -> None:
        self.address = access.base_url or ADDRESSES[self.api_type]
        self._clean = cleaner(access.api_key.get_secret_value())
        self._client = openai.AsyncOpenAI(
            api_key=access.api_key.get_secret_value(),
            base_url=self.address,
            max_retries=0,
            # a redirect would take the prompt, and maybe the key, to a host that nobody has set
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
        self._post = OpenAIPost(self._client)
        self._is_own_address = self._client.base_url.host == HOST

    @property
    def pricing_provider(self) -> str | None:
        """The provider whose address it is; None for gateways and servers of one's own."""
        return provider_at(self.address)

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Make one chat completion."""
        with self._translated():
            content, headers = await self._post(
                "/chat/completions", {**self._body(call), **call.extra}, seconds=seconds
            )
            completion = Completion.model_validate_json(content)
            choice = completion.choices[0]
            return LLMAnswer(
                text=text_of(choice.message),
                model=completion.model or call.model,
                tool_calls=calls_of(choice.message.tool_calls),
                usage=completion.usage and completion.usage.normal(),
                finish_reason=finish_of(choice.finish_reason, choice.message),
                native_finish_reason=choice.finish_reason,
                request_id=headers.get(REQUEST_ID),
            )

    async def embed(self, call: EmbeddingCall, *, seconds: float) -> EmbeddingAnswer:
        """Turn texts into vectors."""
        with self._translated():
            body = {**embedding_body(call), **call.extra}
            content, headers = await self._post("/embeddings", body, seconds=seconds)
            answer = Vectors.model_validate_json(content)
            if len(answer.data) != len(call.inputs):
                raise ValueError("not one vector per text")
        counted = answer.usage and answer.usage.prompt_tokens
        return EmbeddingAnswer(
            vectors=tuple(tuple(one.embedding) for one in sorted(answer.data, key=lambda one: one.index)),
            model=answer.model or call.model,
            usage=None if counted is None else Usage(input=counted),
            request_id=headers.get(REQUEST_ID),
        )

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models."""
        with self._translated():
            raw = await self._client.models.with_raw_response.list(timeout=_limits(seconds))
            return ModelPage.model_validate_json(raw.content).listed()

    async def close(self) -> None:
        """Close the connections."""
        await self._post.close()
        await self._client.close()

    async def _chunks(self, call: LLMCall, seconds: float) -> AsyncGenerator[Chunk, None]:
        create: Any = self._client.chat.completions.create
        options = {"stream": True, "stream_options": {"include_usage": True}}
        gathered = Gathered(call.model)
        with self._translated():
            stream = await create(**self._body(call), **options, extra_body=dict(call.extra), timeout=_limits(seconds))
            try:
                async for event in stream:
                    for chunk in gathered.add(CompletionPiece.model_validate(event)):
                        yield chunk
            finally:
                await stream.close()
            for chunk in gathered.end(stream.response.headers.get(REQUEST_ID)):
                yield chunk

    def _body(self, call: LLMCall) -> dict[str, Any]:
        return request_body(call, own_address=self._is_own_address)

    def _translated(self) -> AbstractContextManager[None]:
        return translated(ERRORS, self, self._clean)


class Gathered:
    """What has come of a stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._content = ""
        self._refusal = ""
        self._calls: dict[int, Call] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None

    def add(self, piece: CompletionPiece) -> list[Chunk]:
        """Take in an event; return the chunks that it makes."""
        chunks: list[Chunk] = []
        self._model = piece.model or self._model
        for choice in (piece.choices or ())[:1]:
            self._finish = choice.finish_reason or self._finish
            chunks += self._said(choice.delta or ChatMessage())
        usage = piece.usage and piece.usage.normal()
        if usage is not None:
            self._usage = usage
            chunks.append(UsageChunk(usage=usage))
        return chunks

    def end(self, request_id: str | None) -> list[Chunk]:
        """Return the last chunks, none where the answer was not finished; raises ValueError for an odd call."""
        if self._finish is None:
            return []
        said = ChatMessage(content=self._content, refusal=self._refusal)
        calls = calls_of([self._calls[index] for index in sorted(self._calls)])
        answer = LLMAnswer(
            text=text_of(said),
            model=self._model,
            tool_calls=calls,
            usage=self._usage,
            finish_reason=finish_of(self._finish, said),
            native_finish_reason=self._finish,
            request_id=request_id,
        )
        return [*(ToolCallChunk(call=call) for call in calls), EndChunk(answer=answer)]

    def _said(self, delta: ChatMessage) -> list[Chunk]:
        self._content += delta.content or ""
        self._refusal += delta.refusal or ""
        for call in delta.tool_calls or ():
            self._calls[call.index] = joined(self._calls.get(call.index), call)
        text = text_of(delta)
        return [TextChunk(text=text)] if text else []


def _limits(seconds: float) -> openai.Timeout:
    return openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
