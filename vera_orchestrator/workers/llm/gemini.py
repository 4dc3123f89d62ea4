"""Google's Gemini."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import httpx2
from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from vera_orchestrator.errors import InvalidPayload, NotConfigured, VeraError
from vera_orchestrator.pricing import provider_at
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS, Access, Adapter, ListedModel
from vera_orchestrator.workers.llm.failures import TRANSPORT, cleaner, late, malformed, of_status, of_transport, says
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.gemini_wire import (
    AnswerPart,
    Generated,
    Vectors,
    calls_of,
    config_of,
    contents_of,
    embedding_config,
    finish_of,
    text_of,
)
from vera_orchestrator.workers.llm.kinds import ADDRESSES
from vera_orchestrator.workers.llm.messages import mapping
from vera_orchestrator.workers.llm.streaming import Chunk, EndChunk, TextChunk, ToolCallChunk, UsageChunk

VERSION = "v1beta"
PAGE = 1_000  # models, the most that the service allows
TOO_LONG = frozenset({"exceeds the maximum number of tokens"})
# what the client lets out where an answer is not JSON, or JSON of another shape
ODD_ANSWERS = (ValueError, TypeError, AttributeError, KeyError)


class GeminiAdapter(Adapter):
    """One client for one key and address. The service names its answers, not its requests."""

    api_type = "gemini"
    optional_fields = frozenset({"frequency_penalty", "presence_penalty", "seed", "top_k", "top_p"})
    tokens_per_image = 4_128  # sixteen tiles of 258: 3,072 pixels on each side, the largest that is not scaled down
    fetches_files = True

    def __init__(self, access: Access) -> None:
        key = access.api_key.get_secret_value()
        self.address = access.base_url or ADDRESSES[self.api_type]
        self._clean = cleaner(key)
        options = types.HttpOptions(
            base_url=self.address,
            api_version=VERSION,
            retry_options=types.HttpRetryOptions(attempts=1),
            # a redirect would take the key to a host that nobody has set
            async_client_args={"timeout": httpx2.Timeout(None, connect=CONNECT_SECONDS), "follow_redirects": False},
        )
        # vertexai is said, as the environment could say otherwise
        self._client = genai.Client(api_key=key, vertexai=False, http_options=options)
        self._models: Any = self._client.aio.models

    @property
    def pricing_provider(self) -> str | None:
        """The provider whose address it is; None for gateways and servers of one's own."""
        return provider_at(self.address)

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Generate one answer."""
        config = _checked(types.GenerateContentConfig, {**config_of(call), "should_return_http_response": True})
        contents = _contents(call)
        with self._translated():
            async with asyncio.timeout(seconds):
                raw = await self._models.generate_content(model=call.model, contents=contents, config=config)
            generated = Generated.model_validate_json(raw.sdk_http_response.body)
        if generated.finish is None:
            raise malformed(self.api_type)
        return _answer(call, generated, generated.parts)

    async def embed(self, call: EmbeddingCall, *, seconds: float) -> EmbeddingAnswer:
        """Turn texts into vectors; the service counts no tokens for it."""
        config = _checked(types.EmbedContentConfig, embedding_config(call))
        contents = [types.Content(parts=[types.Part(text=text)]) for text in call.inputs]
        with self._translated():
            async with asyncio.timeout(seconds):
                raw = await self._models.embed_content(model=call.model, contents=contents, config=config)
            answer = Vectors.model_validate(raw)
            if len(answer.embeddings) != len(call.inputs):
                raise ValueError("not one vector per text")
        return EmbeddingAnswer(vectors=tuple(tuple(one.values) for one in answer.embeddings), model=call.model)

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models: one page holds more than there are."""
        with self._translated():
            async with asyncio.timeout(seconds):
                page = await self._models.list(config={"page_size": PAGE})
            return tuple(_listed(model) for model in page.page if model.name)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aio.aclose()
        self._client.close()

    async def _chunks(self, call: LLMCall, seconds: float) -> AsyncGenerator[Chunk, None]:
        del seconds  # the client knows no time for a stream; who calls this keeps it
        config = _checked(types.GenerateContentConfig, config_of(call))
        contents, gathered = _contents(call), Gathered()
        with self._translated():
            stream = await self._models.generate_content_stream(model=call.model, contents=contents, config=config)
            try:
                async for event in stream:
                    for chunk in gathered.add(Generated.model_validate(event)):
                        yield chunk
            finally:
                await stream.aclose()
        if gathered.last.finish is not None:
            yield EndChunk(answer=_answer(call, gathered.last, gathered.parts))

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except VeraError:
            raise
        except errors.APIError as error:
            raise self._refusal(error) from None
        except TRANSPORT as error:
            raise of_transport(error, self, self._clean) from None
        except TimeoutError:
            raise late(self.api_type) from None
        except ODD_ANSWERS:
            raise malformed(self.api_type) from None

    def _refusal(self, error: Any) -> VeraError:
        details = _details(error)
        said = self._clean(error.message or error.status or "")
        if any(one.get("reason") == "API_KEY_INVALID" for one in details):
            return NotConfigured(f"{self.api_type} refused the key.", remedy="Register it again with a valid key.")
        headers = dict(getattr(error.response, "headers", {}))
        refusal = of_status(self.api_type, error.code, said, headers, too_long=says(TOO_LONG, error.message))
        if refusal.retryable and refusal.retry_after is None:
            refusal.retry_after = _retry_delay(details)
        return refusal


class Gathered:
    """What has come of a stream."""

    def __init__(self) -> None:
        self.last = Generated()
        self.parts: list[AnswerPart] = []

    def add(self, piece: Generated) -> list[Chunk]:
        """Take in a piece; return the chunks that it makes."""
        finished, counted = piece.finish is not None, piece.usage_metadata
        last = piece if finished or self.last.finish is None else self.last
        self.last = last.model_copy(update={"usage_metadata": counted or self.last.usage_metadata})
        # calls are numbered once, so that the chunk and the whole answer name them alike
        parts = [_named(part) for part in piece.parts]
        self.parts += parts
        text, usage = text_of(parts), counted and counted.normal()
        return [
            *([TextChunk(text=text)] if text else []),
            *(ToolCallChunk(call=call) for call in calls_of(parts)),
            *([UsageChunk(usage=usage)] if usage else []),
        ]


def _named(part: AnswerPart) -> AnswerPart:
    if part.function_call is None or part.function_call.id:
        return part
    function = part.function_call.model_copy(update={"id": calls_of([part])[0].id})
    return part.model_copy(update={"function_call": function})


def _answer(call: LLMCall, generated: Generated, parts: Sequence[AnswerPart]) -> LLMAnswer:
    calls = calls_of(parts)
    return LLMAnswer(
        text=text_of(parts),
        model=generated.model_version or call.model,
        tool_calls=calls,
        usage=generated.usage_metadata and generated.usage_metadata.normal(),
        finish_reason=finish_of(generated.finish, calls=bool(calls), is_blocked=generated.is_blocked),
        native_finish_reason=generated.finish,
        request_id=generated.response_id,
    )


def _contents(call: LLMCall) -> list[types.Content]:
    return [_checked(types.Content, content) for content in contents_of(call.messages)]


def _checked(form: type[Any], value: Mapping[str, Any]) -> Any:
    """Return a value in the client's form; raises InvalidPayload, naming the field, for one that does not fit."""
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(["payload", *(str(part) for part in first["loc"])])
        raise InvalidPayload(f"{first['msg']}.", field=path) from None


def _listed(model: Any) -> ListedModel:
    actions: Any = model.supported_actions
    return ListedModel(name=model.name.removeprefix("models/"), chats=not actions or "generateContent" in actions)


def _details(error: Any) -> list[Mapping[str, Any]]:
    body = mapping(error.details) or {}
    listed = (mapping(body.get("error")) or body).get("details")
    if not isinstance(listed, list):
        return []
    return [found for one in cast("list[Any]", listed) if (found := mapping(one))]


def _retry_delay(details: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the seconds to wait that the body of a refusal names, such as "7.5s"."""
    for one in details:
        text = str(one.get("retryDelay", ""))
        digits = text.removesuffix("s")
        if text != digits and digits.replace(".", "", 1).isdecimal() and digits.isascii() and len(digits) < 12:
            return float(digits)
    return None
