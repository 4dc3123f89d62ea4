"""What every adapter does with a call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, SecretStr

from vera_orchestrator.errors import InvalidPayload, WorkerUnavailable
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.streaming import Chunk, guarded

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach one provider with one key; `base_url` None means the provider's own address."""

    api_type: str
    api_key: SecretStr
    base_url: str | None = None


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

    All requests raise WorkerUnavailable where nothing reached the provider, NotConfigured for a key that is refused,
    TaskTimeout, NotFound, InvalidPayload for what the provider will always refuse, else TaskFailed.
    """

    api_type: ClassVar[str]
    tokens_per_image: ClassVar[int]
    """The most tokens that one image costs at this provider."""
    own_price: ClassVar[ModelPrice | None] = None
    """A price that holds for all its models, in place of a published one."""
    optional_fields: ClassVar[frozenset[str] | None] = frozenset()
    """The fields of a payload's `optional` that the provider knows under the same name; None: all."""
    fetches_files: ClassVar[bool] = False
    """Whether the provider takes any kind of file from the address of an image."""

    address: str

    @property
    def pricing_provider(self) -> str | None:
        """The name under which the provider's prices are published; None where there are none."""
        return None

    @abstractmethod
    async def answer(self, call: LLMCall, *, seconds: float) -> LLMAnswer:
        """Make one call within a time, without retries."""

    def stream(self, call: LLMCall, *, seconds: float) -> AsyncGenerator[Chunk, None]:
        """Make one call within a time and give the answer in chunks; the last is an EndChunk with the whole.

        Raises as `answer` does before the first chunk, StreamBroken after it. A reader that leaves early closes it
        (`aclose`), so that the provider stops too.
        """
        return guarded(self._chunks(call, seconds), api_type=self.api_type, model=call.model, seconds=seconds)

    async def embed(self, call: EmbeddingCall, *, seconds: float) -> EmbeddingAnswer:
        """Turn texts into vectors within a time, without retries."""
        del call, seconds
        error = InvalidPayload(
            f"{self.api_type} has no embeddings.", field="payload.kind", remedy="Name a model of another provider."
        )
        error.elsewhere = True
        raise error

    @abstractmethod
    async def models(self, *, seconds: float) -> Sequence[ListedModel]:
        """List the models within a time; costs nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    def unreachable(self) -> WorkerUnavailable:
        """Return the error for a provider that cannot be reached, with what to do."""
        return WorkerUnavailable(f"Nothing answers at {self.address}.", remedy="Check base_url and the network.")

    @abstractmethod
    def _chunks(self, call: LLMCall, seconds: float) -> AsyncGenerator[Chunk, None]:
        """Make one call and give its chunks; the rules of `stream` are kept by who calls this."""
