"""Language models behind a key: OpenAI, Anthropic, Gemini, and servers that speak their protocols."""

from __future__ import annotations

import hashlib
import math
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from vera_orchestrator.enums import TaskType, WorkerCapability
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import APIQuota, Task, WorkerConfig
from vera_orchestrator.workers.llm.base import Access, Adapter
from vera_orchestrator.workers.llm.kinds import capability_of, connect, kind_of
from vera_orchestrator.workers.llm.usage import UsageCounter
from vera_orchestrator.workers.llm.worker import LLMWorker

MAX_CONCURRENT_TASKS = 64
MODELS_SHOWN = 5
CHARACTERS_PER_TOKEN = 4
USUAL_OUTPUT = 500  # tokens


class LLMAPIWorker(LLMWorker):
    """Asks one provider with one key.

    `base_url` is what the provider's client calls so (OpenAI's ends in /v1, the others' do not). The id comes from
    kind, address and key, so the same credential is the same worker and a second key is a second one. Where
    `cost_per_1k_tokens`, in USD, is 0, the cost of a call is not known. Raises InvalidValue, naming the field.
    """

    own_types = frozenset({TaskType.LLM_REQUEST, TaskType.BACKGROUND_COGNITION})
    needs_list = False

    def __init__(
        self,
        api_type: str,
        api_key: str | SecretStr,
        *,
        base_url: str | None = None,
        default_model: str | None = None,
        worker_id: str | None = None,
        rate_limit_per_minute: int = 60,
        cost_per_1k_tokens: float = 0.0,
        quota: APIQuota | None = None,
        usage: UsageCounter | None = None,
    ) -> None:
        if rate_limit_per_minute < 1:
            raise InvalidValue("Less than 1.", field="rate_limit_per_minute", remedy="Give a number from 1 on.")
        if not (math.isfinite(cost_per_1k_tokens) and cost_per_1k_tokens >= 0):
            raise InvalidValue("Not a price.", field="cost_per_1k_tokens", remedy="Give USD, 0 or more.")
        api_type = kind_of(api_type)
        capability = capability_of(api_type)
        self._access = Access(api_type=api_type, api_key=_key(api_key), base_url=_address(base_url))
        super().__init__(
            worker_id or f"{api_type}-{fingerprint(self._access)}",
            [WorkerCapability.LLM_INFERENCE, WorkerCapability.BACKGROUND_COGNITION, capability],
            WorkerConfig(max_concurrent_tasks=MAX_CONCURRENT_TASKS, rate_limit_per_minute=rate_limit_per_minute),
            api_type=api_type,
            default_model=default_model,
            price=cost_per_1k_tokens or None,
            usage=usage,
        )
        self.rate_limit_per_minute = rate_limit_per_minute
        self.cost_per_1k_tokens = cost_per_1k_tokens
        self.quota = quota or APIQuota()

    def expected_cost(self, task: Task) -> float:
        """Return a rough estimate in USD, to order workers by; 0 where the price is not known."""
        given = task.payload.get("max_tokens")
        tokens = len(str(task.payload)) / CHARACTERS_PER_TOKEN + (given if isinstance(given, int) else USUAL_OUTPUT)
        return tokens / 1000 * self.cost_per_1k_tokens

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form; `available_tokens` is None as long as nothing limits tokens."""
        return {
            **super().to_dict(),
            "api_type": self.api_type,
            "rate_limit_per_minute": self.rate_limit_per_minute,
            "available_tokens": None,
            "total_tokens_used": self.usage.total_tokens,
            "total_cost_usd": self.usage.total_cost,
            "cost_per_1k_tokens": self.cost_per_1k_tokens,
        }

    def _connect(self) -> Adapter:
        return connect(self._access)

    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        del adapter
        model = named or self.default_model
        if model:
            return model
        if len(self.models) == 1:  # a server of one's own; among a cloud's models only the caller can choose
            return self.models[0].name
        listed = ", ".join(one.name for one in self.models[:MODELS_SHOWN])
        raise InvalidPayload(
            f"No model is named, and {self.worker_id} has no default_model.",
            field="payload.model",
            remedy=f"Name one, such as: {listed}." if listed else "Name one.",
        )


def fingerprint(access: Access) -> str:
    """Return ten characters that stand for a credential; neither key nor address can be read from them."""
    text = "\n".join((access.api_type, access.base_url or "", access.api_key.get_secret_value()))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _key(value: str | SecretStr) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidValue("Not one word of ASCII.", field="api_key", remedy="Any word will do where none is needed.")
    return SecretStr(text)


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        raise _not_an_address() from None
    if not usable or "@" in url.netloc or url.query or url.fragment:
        raise _not_an_address()
    return text.rstrip("/")


def _not_an_address() -> InvalidValue:
    return InvalidValue(
        "Not the address of a provider.",
        field="base_url",
        remedy="Write http://host:port or https://host/path, and give the key as api_key.",
    )
