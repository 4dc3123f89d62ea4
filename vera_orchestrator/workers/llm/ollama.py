"""Ollama's chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import ollama
from pydantic import ValidationError

from vera_orchestrator.errors import InvalidPayload, NotFound, VeraError, WorkerUnavailable
from vera_orchestrator.http.failures import CAUGHT, describe, failure_of
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS, Adapter, ListedModel, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.calls import with_system
from vera_orchestrator.workers.llm.failures import EXCERPT, late, malformed, of_status

API_TYPE = "ollama"
ARGUMENTS = frozenset({"format", "keep_alive", "think", "tools"})
ANSWERS = frozenset({"ChatResponse", "ListResponse"})
EMBEDDING_FAMILIES = frozenset({"bert", "nomic-bert"})
# what the client lets out where an answer is not JSON, or JSON of another shape
ODD_ANSWERS = (ValueError, TypeError, AttributeError)


def arguments_of(call: LLMCall) -> dict[str, Any]:
    """Return a call as the client's arguments.

    Fields of `extra` that are no arguments of a chat are options of the model, such as `num_ctx` or `seed`.
    """
    named = {name: value for name, value in call.extra.items() if name in ARGUMENTS}
    given = call.extra.get("options")
    options: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType]
    options |= {name: value for name, value in call.extra.items() if name not in ARGUMENTS and name != "options"}
    if call.temperature is not None:
        options["temperature"] = call.temperature
    if call.max_tokens is not None:
        options["num_predict"] = call.max_tokens
    return {"model": call.model, "messages": with_system(call), "options": options, **named}


class OllamaAdapter(Adapter):
    """One client for one address. The operator chose it, so proxies of the environment are not used."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = ollama.AsyncClient(
            host=address, trust_env=False, timeout=httpx.Timeout(None, connect=CONNECT_SECONDS)
        )

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Send the conversation; the server's times are in nanoseconds."""
        chat: Any = cast("Any", self._client).chat
        async with self._translated(seconds, call.model):
            answer = cast("ollama.ChatResponse", await chat(**arguments_of(call)))
        return LLMAnswer(
            text=answer.message.content or "",
            model=answer.model or call.model,
            input_tokens=answer.prompt_eval_count,
            output_tokens=answer.eval_count,
            finish_reason=answer.done_reason,
            metrics={
                "total_duration": answer.total_duration,
                "load_duration": answer.load_duration,
                "prompt_eval_count": answer.prompt_eval_count,
                "eval_count": answer.eval_count,
            },
        )

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models that are installed."""
        async with self._translated(seconds):
            listed = await self._client.list()
        return tuple(ListedModel(name=one.model, chats=_chats(one)) for one in listed.models if one.model)

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def unreachable(self) -> WorkerUnavailable:
        """Return the error for an address where no Ollama answers."""
        remedy = "start it (ollama serve) or set ollama_url (VERA_OLLAMA_URL)."
        return WorkerUnavailable(f"Ollama does not answer at {self.address}:", remedy=remedy)

    @asynccontextmanager
    async def _translated(self, seconds: float, model: str | None = None) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise late(API_TYPE) from None
        except (ConnectionError, httpx.ConnectTimeout):
            raise self.unreachable() from None
        except CAUGHT as error:
            raise failure_of(error).error(f"The connection to {API_TYPE} broke: {describe(error)}") from None
        except (ollama.RequestError, ollama.ResponseError, *ODD_ANSWERS) as error:
            raise refusal_of(error, model) from None


def refusal_of(error: Exception, model: str | None) -> VeraError:
    """Return the error of ours for one of the client's that is not about the connection."""
    if isinstance(error, ollama.RequestError):
        return InvalidPayload(error.error, field="payload")
    if isinstance(error, ollama.ResponseError):
        if error.status_code == 404 and model:
            return missing(model)
        return of_status(API_TYPE, error.status_code, " ".join(error.error.split())[:EXCERPT], {})
    if isinstance(error, ValidationError) and error.title not in ANSWERS:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["payload", *(str(part) for part in first["loc"])])
        return InvalidPayload(f"{first['msg']}.", field=field)  # the client checks the request before it sends it
    return malformed(API_TYPE)


def missing(model: str) -> NotFound:
    """Return the error for a model that is not installed."""
    return NotFound(f"Ollama has no model {model!r}.", field="payload.model", remedy=f"Run: ollama pull {model}.")


def _chats(model: ollama.ListResponse.Model) -> bool:
    family = (model.details.family if model.details else None) or ""
    return family not in EMBEDDING_FAMILIES and "embed" not in (model.model or "")
