"""A key for a provider of language models, kept in Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, ValidationError

from blocks.pages import DOCUMENTATION, LOGO
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import APIQuota
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.settings import OrchestratorConfig

if TYPE_CHECKING:
    from vera_orchestrator.workers.llm import LLMAPIWorker


class LLMProvider(Block):
    """A key for OpenAI, Anthropic, Gemini, or a server that speaks one of their protocols.

    Each orchestrator that uses this Prefect server makes a worker of it when it starts. Several keys for one provider
    are several blocks and several workers.

    Example:
        Keep a key:
        ```python
        from blocks import LLMProvider

        LLMProvider(kind="openai", api_key="...").save("BLOCK_NAME")
        provider = LLMProvider.load("BLOCK_NAME")
        ```
    """

    _block_type_name: ClassVar[str | None] = "LLM Provider"
    _block_type_slug: ClassVar[str | None] = "llm-provider"
    _logo_url: ClassVar[HttpUrl | None] = LOGO
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION

    kind: str = Field(description="openai, anthropic or gemini; servers that speak OpenAI's protocol are openai.")
    api_key: SecretStr = Field(description="The key; any word where the server needs none.")
    base_url: str | None = Field(
        default=None, description="Address of a gateway or a server of one's own; OpenAI's form of it ends in /v1."
    )
    default_model: str | None = Field(
        default=None, description="Model where a task names none; at the provider's own address that of the settings."
    )
    models: list[str] = Field(default_factory=list, description="Models that the server has and may not list.")
    prices: dict[str, ModelPrice] = Field(
        default_factory=dict[str, ModelPrice],
        description="USD per million tokens by model and kind of usage, in place of the published prices.",
    )
    cost_per_1k_tokens: float = Field(
        default=0.0, description="USD per 1,000 tokens of all kinds, for other models; 0: the published price."
    )
    quota: APIQuota | None = Field(default=None, description="The most that may be used; None: no limit but the rate.")
    rate_limit_per_minute: int = Field(default=60, description="Requests per minute.")
    worker_id: str | None = Field(
        default=None, description="Id of the worker; None: one that stands for kind, address and key."
    )

    def worker(self, config: OrchestratorConfig) -> LLMAPIWorker:
        """Return the worker of this key, not started. Raises InvalidValue, naming the field."""
        from vera_orchestrator.workers.llm import LLMAPIWorker

        return LLMAPIWorker(self.kind, self.api_key, **self._options(config))

    def _options(self, config: OrchestratorConfig) -> dict[str, Any]:
        from vera_orchestrator.workers.llm.kinds import default_model_of
        from vera_orchestrator.workers.llm.options import LLMOptions

        usual_model, default_model = default_model_of(self.kind, config), self.default_model
        # servers at other addresses have other models, so it must have been set on purpose, or be listed there
        if self.base_url is None or f"default_{self.kind}_model" in config.model_fields_set:
            default_model = default_model or usual_model
        return {
            "usual_model": usual_model,
            "base_url": self.base_url,
            "default_model": default_model,
            "worker_id": self.worker_id,
            "rate_limit_per_minute": self.rate_limit_per_minute,
            "cost_per_1k_tokens": self.cost_per_1k_tokens,
            "quota": self.quota,
            "models": self.models,
            "prices": self.prices,
            "options": LLMOptions.of(config),
        }


def provider_of(**values: Any) -> LLMProvider:
    """Return the block with these values; raises InvalidValue, naming the field, and never shows a value."""
    try:
        return LLMProvider(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidValue(f"{first['msg']}.", field=".".join(str(part) for part in first["loc"])) from None
