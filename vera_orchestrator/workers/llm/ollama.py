"""Ollama's chat, embeddings and models."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import httpx
import ollama
from pydantic import ValidationError

from vera_orchestrator.errors import InvalidPayload, NotFound, TaskFailed, VeraError, WorkerUnavailable
from vera_orchestrator.http.failures import CAUGHT, describe, failure_of
from vera_orchestrator.pricing import FREE
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS, Adapter, ListedModel
from vera_orchestrator.workers.llm.conversation import ToolCall
from vera_orchestrator.workers.llm.failures import Clean, cleaner, late, malformed, of_status, says
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.ollama_models import LoadedModel, OnPull, PullProgress
from vera_orchestrator.workers.llm.ollama_wire import (
    answer_of,
    arguments_of,
    calls_of,
    embedding_arguments,
    usage_of,
)
from vera_orchestrator.workers.llm.streaming import Chunk, EndChunk, TextChunk, ToolCallChunk, UsageChunk

API_TYPE = "ollama"
KEY_VARIABLE = "OLLAMA_API_KEY"  # the client sends it wherever it is set
ANSWERS = frozenset({"ChatResponse", "ListResponse", "EmbedResponse", "ProcessResponse", "ProgressResponse"})
EMBEDDING_FAMILIES = frozenset({"bert", "nomic-bert"})
TOO_LONG = frozenset({"exceeds the context length", "exceeds maximum context length", "prompt is too long"})
PULLED = "success"
NO_SUCH_MODEL = ("file does not exist", "not found")  # in the words of a stream that has begun with the status 200
# what the client lets out where an answer is not JSON, or JSON of another shape
ODD_ANSWERS = (ValueError, TypeError, AttributeError)


class OllamaAdapter(Adapter):
    """One client for one address, with the key in OLLAMA_API_KEY if there is one.

    The operator chose the address, so proxies of the environment are not used.
    """

    api_type = "ollama"
    optional_fields = frozenset(
        {"frequency_penalty", "keep_alive", "min_p", "options", "presence_penalty", "seed", "think", "top_k", "top_p"}
    )
    tokens_per_image = 16_384  # qwen-vl at its largest; most models use a tenth of it
    own_price = FREE

    def __init__(self, address: str) -> None:
        self.address = address
        self._clean = cleaner(os.environ.get(KEY_VARIABLE, ""))
        self._client = ollama.AsyncClient(
            host=address,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            follow_redirects=False,
        )

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Send the conversation."""
        chat: Any = cast("Any", self._client).chat
        with self._translated(call.model):
            async with asyncio.timeout(seconds):
                answer = cast("ollama.ChatResponse", await chat(**arguments_of(call)))
            return answer_of(call, answer, answer.message.content or "", calls_of(answer.message))

    async def embed(self, call: EmbeddingCall, *, seconds: float) -> EmbeddingAnswer:
        """Turn texts into vectors."""
        embed: Any = cast("Any", self._client).embed
        with self._translated(call.model):
            async with asyncio.timeout(seconds):
                answer = cast("ollama.EmbedResponse", await embed(**embedding_arguments(call)))
            if len(answer.embeddings) != len(call.inputs):
                raise ValueError("not one vector per text")
        counted = answer.prompt_eval_count
        return EmbeddingAnswer(
            vectors=tuple(tuple(vector) for vector in answer.embeddings),
            model=answer.model or call.model,
            usage=None if counted is None else Usage(input=counted),
        )

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models that are installed."""
        with self._translated():
            async with asyncio.timeout(seconds):
                listed = await self._client.list()
        return tuple(ListedModel(name=one.model, chats=_chats(one)) for one in listed.models if one.model)

    async def loaded(self, *, seconds: float) -> Sequence[LoadedModel]:
        """List the models that are in memory, within a time."""
        with self._translated():
            async with asyncio.timeout(seconds):
                listed = await self._client.ps()
        return tuple(
            LoadedModel(name=name, size=one.size, size_vram=one.size_vram, expires_at=one.expires_at)
            for one in listed.models
            if (name := one.model or one.name)
        )

    async def pull(self, model: str, on_progress: OnPull | None = None, *, seconds: float | None = None) -> None:
        """Download a model within a time; the server goes on where an earlier download was broken off.

        Raises NotFound for a model that its registry does not have, else as all requests do.
        """
        pull: Any = cast("Any", self._client).pull
        progress, said = PullProgress(), None
        with self._translated(model):
            async with asyncio.timeout(seconds):
                steps = cast("AsyncGenerator[ollama.ProgressResponse, None]", await pull(model, stream=True))
                try:
                    async for step in steps:
                        said = step.status
                        done = progress.add(step.digest, step.completed, step.total)
                        if on_progress is not None:
                            await on_progress(1.0 if said == PULLED else done, said or "")
                except ollama.ResponseError as error:
                    raise not_pulled(error, model, self._clean) from None
                finally:
                    await steps.aclose()
        if said != PULLED:
            raise TaskFailed(f"The download of {model!r} ended too early.", remedy="Pull it again.")

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def unreachable(self) -> WorkerUnavailable:
        """Return the error for an address where no Ollama answers."""
        remedy = "start it (ollama serve) or set ollama_url (VERA_OLLAMA_URL)."
        return WorkerUnavailable(f"Ollama does not answer at {self.address}:", remedy=remedy)

    async def _chunks(self, call: LLMCall, seconds: float) -> AsyncGenerator[Chunk, None]:
        del seconds  # the client knows no time for a stream; who calls this keeps it
        chat: Any = cast("Any", self._client).chat
        texts: list[str] = []
        calls: list[ToolCall] = []
        with self._translated(call.model):
            stream = cast("AsyncGenerator[ollama.ChatResponse, None]", await chat(**arguments_of(call), stream=True))
            try:
                async for piece in stream:
                    for chunk in _chunks_of(piece):
                        texts += [chunk.text] if isinstance(chunk, TextChunk) else []
                        calls += [chunk.call] if isinstance(chunk, ToolCallChunk) else []
                        yield chunk
                    if piece.done:
                        yield EndChunk(answer=answer_of(call, piece, "".join(texts), calls))
                        return
            finally:
                await stream.aclose()

    @contextmanager
    def _translated(self, model: str | None = None) -> Generator[None]:
        try:
            yield
        except VeraError:
            raise
        except TimeoutError:
            raise late(API_TYPE) from None
        except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout):
            raise self.unreachable() from None
        except CAUGHT as error:
            raise failure_of(error).error(f"The connection to {API_TYPE} broke: {describe(error)}") from None
        except (ollama.RequestError, ollama.ResponseError, *ODD_ANSWERS) as error:
            raise refusal_of(error, model, self._clean) from None


def _chunks_of(piece: ollama.ChatResponse) -> list[Chunk]:
    usage = usage_of(piece) if piece.done else None
    return [
        *([TextChunk(text=piece.message.content)] if piece.message.content else []),
        *(ToolCallChunk(call=call) for call in calls_of(piece.message)),
        *([UsageChunk(usage=usage)] if usage else []),
    ]


def refusal_of(error: Exception, model: str | None, clean: Clean) -> VeraError:
    """Return the error of ours for one of the client's that is not about the connection."""
    if isinstance(error, ollama.RequestError):
        return InvalidPayload(error.error, field="payload")
    if isinstance(error, ollama.ResponseError):
        if error.status_code == 404 and model:
            return missing(model)
        said = clean(str(error.error))  # look-alikes give an object
        return of_status(API_TYPE, error.status_code, said, _headers_of(error), too_long=says(TOO_LONG, said))
    if isinstance(error, ValidationError) and error.title not in ANSWERS:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["payload", *(str(part) for part in first["loc"])])
        return InvalidPayload(f"{first['msg']}.", field=field)  # the client checks the request before it sends it
    return malformed(API_TYPE)


def _headers_of(error: ollama.ResponseError) -> Mapping[str, str]:
    """Return the headers of a refusal: the client leaves them out of its error, and the one below has them."""
    below = error.__context__
    return below.response.headers if isinstance(below, httpx.HTTPStatusError) else {}


def missing(model: str) -> NotFound:
    """Return the error for a model that is not installed."""
    return NotFound(f"Ollama has no model {model!r}.", field="payload.model", remedy=f"Run: ollama pull {model}.")


def not_pulled(error: ollama.ResponseError, model: str, clean: Clean) -> VeraError:
    """Return the error for a download that the server gave up."""
    if error.status_code == 404 or error.error.endswith(NO_SUCH_MODEL):
        return NotFound(
            f"Ollama's registry has no model {model!r}.", field="payload.model", remedy="Check its name and tag."
        )
    if error.status_code < 400:  # it was said within a stream
        said = clean(error.error)
        return TaskFailed(f"Ollama did not download {model!r}: {said}", remedy="Check its network and its disk.")
    return refusal_of(error, model, clean)


def _chats(model: ollama.ListResponse.Model) -> bool:
    family = (model.details.family if model.details else None) or ""
    return family not in EMBEDDING_FAMILIES and "embed" not in (model.model or "")
