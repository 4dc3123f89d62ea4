"""Language models behind a key: OpenAI, Anthropic, Gemini, and servers that speak their protocols."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from vera_orchestrator.enums import TaskType, WorkerCapability
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import APIQuota, WorkerConfig
from vera_orchestrator.money import usd
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.providers import kind_of
from vera_orchestrator.quota import Rate
from vera_orchestrator.workers.llm.base import Access, Adapter
from vera_orchestrator.workers.llm.kinds import ADDRESSES, PRICE_LISTS, capability_of, connect
from vera_orchestrator.workers.llm.names import is_anothers, known_names, plain
from vera_orchestrator.workers.llm.options import DEFAULTS, LLMOptions
from vera_orchestrator.workers.llm.usage import UsageCounter
from vera_orchestrator.workers.llm.worker import LLMWorker

MAX_CONCURRENT_TASKS = 64
MODELS_SHOWN = 5
USUAL_PORTS: Mapping[str, str] = {"http": ":80", "https": ":443"}


class LLMAPIWorker(LLMWorker):
    """Asks one provider with one key.

    `base_url` is what the provider's client calls so (OpenAI's ends in /v1, the others' do not). The id comes from
    kind, address and key, so the same credential is the same worker and a second key is a second one. `models` names
    models that the provider has and may not list. Prices: those of `prices`, in USD per million tokens by model, then
    those of `options`, then `cost_per_1k_tokens` in USD where it is not 0, then the published ones of the provider at
    this address; else the cost of a call is not known. `quota` None is no limit but the rate. Raises InvalidValue,
    naming the field.
    `usual_model` is taken where no `default_model` is given and the server lists it.
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
        usual_model: str | None = None,
        worker_id: str | None = None,
        rate_limit_per_minute: int = 60,
        cost_per_1k_tokens: float = 0.0,
        quota: APIQuota | None = None,
        models: Iterable[str] = (),
        prices: Mapping[str, ModelPrice] | None = None,
        options: LLMOptions = DEFAULTS,
        usage: UsageCounter | None = None,
    ) -> None:
        if rate_limit_per_minute < 1:
            raise InvalidValue("Less than 1.", field="rate_limit_per_minute", remedy="Give a number from 1 on.")
        price = usd(cost_per_1k_tokens, field="cost_per_1k_tokens")
        api_type = kind_of(api_type)
        capability = capability_of(api_type)
        self._access = Access(api_type=api_type, api_key=_key(api_key), base_url=_address(base_url, api_type))
        credential = f"{api_type}-{fingerprint(self._access)}"
        super().__init__(
            worker_id or credential,
            [WorkerCapability.LLM_INFERENCE, WorkerCapability.BACKGROUND_COGNITION, capability],
            WorkerConfig(max_concurrent_tasks=MAX_CONCURRENT_TASKS, rate_limit_per_minute=rate_limit_per_minute),
            api_type=api_type,
            default_model=default_model,
            credential=credential,
            price=ModelPrice.per_thousand(price) if price else None,
            quota=quota,
            rate=Rate.per_minute(rate_limit_per_minute),
            options=replace(options, prices={**options.prices, **(prices or {})}),
            usage=usage,
        )
        self.rate_limit_per_minute = rate_limit_per_minute
        self.cost_per_1k_tokens = cost_per_1k_tokens
        self._given_names = known_names(models)
        self._usual_model = usual_model

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form; `available_tokens` of today is None where nothing limits tokens."""
        limit = None if self.quota is None else self.quota.tokens_per_day
        return {
            **super().to_dict(),
            "api_type": self.api_type,
            "rate_limit_per_minute": self.rate_limit_per_minute,
            "available_tokens": None if limit is None else max(0, limit - self.usage.tokens_today),
            "total_tokens_used": self.usage.total_tokens,
            "total_cost_usd": float(self.usage.total_cost),
            "cost_per_1k_tokens": self.cost_per_1k_tokens,
        }

    def _connect(self) -> Adapter:
        return connect(self._access)

    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        del adapter
        model = named or self._default_model()
        if model:
            return model
        listed = ", ".join(one.name for one in self.models[:MODELS_SHOWN])
        error = InvalidPayload(
            f"No model is named, and {self.worker_id} has no default_model.",
            field="payload.model",
            remedy=f"Name one, such as: {listed}." if listed else "Name one.",
        )
        error.elsewhere = True
        raise error

    def _default_model(self) -> str | None:
        if self.default_model:
            return self.default_model
        if self._usual_model is not None and super()._serves(self._usual_model):
            return self._usual_model
        # a server of one's own; among a cloud's models only the caller can choose
        return self.models[0].name if len(self.models) == 1 else None

    def _serves(self, model: str) -> bool | None:
        if super()._serves(model) or plain(model) in self._given_names:
            return True
        is_whole_list = self._costs.provider == PRICE_LISTS[self.api_type] and bool(self.models)
        return False if is_whole_list or is_anothers(self.api_type, model) else None


def fingerprint(access: Access) -> str:
    """Return ten characters that stand for a credential; neither key nor address can be read from them."""
    text = "\n".join((access.api_type, access.base_url or "", access.api_key.get_secret_value()))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _key(value: str | SecretStr) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidValue("Not one word of ASCII.", field="api_key", remedy="Any word will do where none is needed.")
    return SecretStr(text)


def _address(text: str | None, api_type: str) -> str | None:
    """Return an address in its usual form; None for the provider's own, so that it is one however it is written."""
    if text is None:
        return None
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        raise _not_an_address() from None
    if not usable or "@" in url.netloc or url.query or url.fragment:
        raise _not_an_address()
    netloc = url.netloc.lower().removesuffix(USUAL_PORTS[url.scheme])
    address = f"{url.scheme}://{netloc}{url.path}".rstrip("/")
    return None if address == ADDRESSES[api_type] else address


def _not_an_address() -> InvalidValue:
    return InvalidValue(
        "Not the address of a provider.",
        field="base_url",
        remedy="Write http://host:port or https://host/path, and give the key as api_key.",
    )
