"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import anthropic
from pydantic import BaseModel

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.workers.llm.base import (
    CONNECT_SECONDS,
    Access,
    Adapter,
    ListedModel,
    LLMAnswer,
    LLMCall,
    ModelPage,
)
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, translated

API_TYPE = "anthropic"
ADDRESS = "https://api.anthropic.com"
DEFAULT_MAX_TOKENS = 4096  # the protocol wants a number
SYSTEM_ROLES = frozenset({"system", "developer"})


class Block(BaseModel):
    """One part of an answer; only text is used."""

    type: str
    text: str = ""


class MessageUsage(BaseModel):
    """Tokens, as the provider counts them; `input_tokens` leaves out those that a cache had or was given."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def whole_input(self) -> int | None:
        """All tokens of the input; None if they were not counted."""
        if self.input_tokens is None:
            return None
        return self.input_tokens + (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)


class AnsweredMessage(BaseModel):
    """The part of an answer that is used."""

    content: list[Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: MessageUsage | None = None


ERRORS = ClientErrors(
    root=anthropic.AnthropicError,
    connection=anthropic.APIConnectionError,
    late=anthropic.APITimeoutError,
    status=anthropic.APIStatusError,
    credentials=(anthropic.CredentialsError,),
)


def system_of(call: LLMCall) -> str | list[dict[str, Any]]:
    """Return every system prompt of a call, in order: the protocol has one place for all of them.

    Text only gives a text, as some servers know no other form. Raises InvalidPayload for what is neither text nor
    blocks.
    """
    contents: list[Any] = [call.system] if call.system is not None else []
    contents += [message.get("content") for message in call.messages if message["role"] in SYSTEM_ROLES]
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(contents)
    blocks: list[dict[str, Any]] = []
    for content in contents:
        if isinstance(content, str):
            blocks.append({"type": "text", "text": content})
        elif isinstance(content, list):
            blocks += cast("list[dict[str, Any]]", content)
        else:
            raise InvalidPayload("A system message holds no text.", field="payload.messages", remedy="Give content.")
    return blocks


def request_body(call: LLMCall) -> dict[str, Any]:
    """Return a call as Anthropic's request, without `extra` and the temperature."""
    system = system_of(call)
    return {
        "model": call.model,
        "max_tokens": call.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": [dict(message) for message in call.messages if message["role"] not in SYSTEM_ROLES],
        **({"system": system} if system else {}),
    }


class AnthropicAdapter(Adapter):
    """One client for one key and address."""

    def __init__(self, access: Access) -> None:
        key = access.api_key.get_secret_value()
        self.address = access.base_url or ADDRESS
        self._clean = cleaner(key)
        # the client sends the key as a bearer token only, where older servers look for it here
        headers = {"X-Api-Key": key} if access.base_url else None
        self._client = anthropic.AsyncAnthropic(
            api_key=key, base_url=self.address, default_headers=headers, max_retries=0
        )

    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Send the conversation; a temperature that the provider would refuse is left out and noted in `left_out`."""
        left_out = call.temperature is not None and self.refuses_temperature
        sampling = {} if call.temperature is None or left_out else {"temperature": call.temperature}
        create: Any = self._client.messages.with_raw_response.create
        with self._translated():
            raw = await create(**request_body(call), extra_body={**call.extra, **sampling}, timeout=_limits(seconds))
            message = AnsweredMessage.model_validate_json(await raw.read())
        usage = message.usage or MessageUsage()
        return LLMAnswer(
            text="".join(block.text for block in message.content if block.type == "text"),
            model=message.model or call.model,
            input_tokens=usage.whole_input,
            output_tokens=usage.output_tokens,
            finish_reason=message.stop_reason,
            request_id=raw.headers.get("request-id"),
            metrics={"left_out": ["temperature"]} if left_out else {},
        )

    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the newest models; they are advice, so one page is enough."""
        with self._translated():
            raw = await self._client.models.with_raw_response.list(timeout=_limits(seconds))
            return ModelPage.model_validate_json(await raw.read()).listed()

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    @property
    def refuses_temperature(self) -> bool:
        """Whether the server takes no temperature."""
        # since the version of 2026-10-21 of its protocol the provider itself refuses it, at any value
        return self._client.base_url.host == "api.anthropic.com"

    def _translated(self) -> AbstractContextManager[None]:
        return translated(API_TYPE, ERRORS, self, self._clean)


def _limits(seconds: float) -> anthropic.Timeout:
    return anthropic.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
