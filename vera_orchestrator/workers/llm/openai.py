"""OpenAI's chat completions, and the many servers that speak them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import openai
from pydantic import BaseModel, Field

from vera_orchestrator.workers.llm.base import (
    CONNECT_SECONDS,
    Access,
    Adapter,
    ListedModel,
    LLMAnswer,
    LLMCall,
    ModelPage,
)
from vera_orchestrator.workers.llm.calls import with_system
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, translated

API_TYPE = "openai"
ADDRESS = "https://api.openai.com/v1"


class ChatMessage(BaseModel):
    """The part of a message that is used."""

    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    """One alternative."""

    message: ChatMessage
    finish_reason: str | None = None


class ChatUsage(BaseModel):
    """Tokens, as the provider counts them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Completion(BaseModel):
    """The part of a chat completion that is used; look-alikes leave out much of the rest."""

    choices: list[Choice] = Field(min_length=1)
    model: str | None = None
    usage: ChatUsage | None = None


ERRORS = ClientErrors(
    root=openai.OpenAIError,
    connection=openai.APIConnectionError,
    late=openai.APITimeoutError,
    status=openai.APIStatusError,
)


def request_body(call: LLMCall, *, own_address: bool) -> dict[str, Any]:
    """Return a call as OpenAI's request, `extra` aside.

    OpenAI itself counts thinking into the limit and refuses the old name for newer models; others know only that.
    """
    limit = "max_completion_tokens" if own_address else "max_tokens"
    body = {"temperature": call.temperature, limit: call.max_tokens}
    given = {name: value for name, value in body.items() if value is not None}
    return {"model": call.model, "messages": with_system(call), **given}


class OpenAIAdapter(Adapter):
    """One client for one key and address."""

    def __init__(self, access: Access) -> None:
        self.address = access.base_url or ADDRESS
        self._clean = cleaner(access.api_key.get_secret_value())
        self._client = openai.AsyncOpenAI(
            api_key=access.api_key.get_secret_value(), base_url=self.address, max_retries=0
        )

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Make one chat completion."""
        body = request_body(call, own_address=self._client.base_url.host == "api.openai.com")
        create: Any = self._client.chat.completions.with_raw_response.create
        with self._translated():
            raw = await create(**body, extra_body=dict(call.extra), timeout=_limits(seconds))
            completion = Completion.model_validate_json(raw.content)
        choice, usage = completion.choices[0], completion.usage or ChatUsage()
        return LLMAnswer(
            text=choice.message.content or choice.message.refusal or "",
            model=completion.model or call.model,
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            finish_reason=choice.finish_reason,
            request_id=raw.headers.get("x-request-id"),
        )

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models."""
        with self._translated():
            raw = await self._client.models.with_raw_response.list(timeout=_limits(seconds))
            return ModelPage.model_validate_json(raw.content).listed()

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def _translated(self) -> AbstractContextManager[None]:
        return translated(API_TYPE, ERRORS, self, self._clean)


def _limits(seconds: float) -> openai.Timeout:
    return openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
