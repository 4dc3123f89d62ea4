"""The normal form of a call, and what every adapter does with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, SecretStr

from vera_orchestrator.errors import WorkerUnavailable

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach one provider with one key; `base_url` None means the provider's own address."""

    api_type: str
    api_key: SecretStr
    base_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class LLMCall:
    """One call in the form that all providers share.

    `messages` are {role, content} and may hold system messages beside `system`. None leaves a choice to the provider.
    `extra` holds fields for the provider's request as they are.
    """

    messages: tuple[Mapping[str, Any], ...]
    model: str
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class LLMAnswer:
    """A whole answer. Tokens are None where the provider did not count them; `metrics` are the provider's own."""

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def tokens(self) -> int | None:
        """Input and output together; None where one of them is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A model that a provider lists; `chats` is False for one that cannot hold a conversation."""

    name: str
    chats: bool = True


class ModelPage(BaseModel):
    """A list of models as OpenAI and Anthropic give it."""

    class Entry(BaseModel):
        """One model."""

        id: str

    data: list[Entry]

    def listed(self) -> Sequence[ListedModel]:
        """Return the models in the order of the list."""
        return tuple(ListedModel(name=entry.id) for entry in self.data)


class Adapter(ABC):
    """Translates for one provider and owns its client; all errors are ours, and none shows the key.

    `answer` and `models` raise WorkerUnavailable where nothing reached the provider, NotConfigured for a key that is
    refused, TaskTimeout, NotFound, InvalidPayload for what the provider will always refuse, else TaskFailed.
    """

    address: str

    @abstractmethod
    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Make one call within a time, without retries."""

    @abstractmethod
    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models within a time; costs nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    def unreachable(self) -> WorkerUnavailable:
        """Return the error for a provider that cannot be reached, with what to do."""
        return WorkerUnavailable(f"Nothing answers at {self.address}.", remedy="Check base_url and the network.")
