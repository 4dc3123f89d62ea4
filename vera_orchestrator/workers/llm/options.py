"""What all workers for language models of one orchestrator have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.settings import OrchestratorConfig

OUTPUT_TOKENS = 4_096


@dataclass(frozen=True, kw_only=True)
class LLMOptions:
    """Settings of a worker.

    `prices` are by model and go before published ones. `model_classes` are names for chains of models, the first choice
    first. `output_tokens` is what an answer without a limit of its own is reserved as, and held to where limits hold.
    `time_zone` (IANA) is where the days of its quota begin.
    """

    prices: Mapping[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])
    model_classes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    output_tokens: int = OUTPUT_TOKENS
    time_zone: str = "UTC"

    @classmethod
    def of(cls, config: OrchestratorConfig) -> Self:
        """Return what the settings say."""
        return cls(
            prices=config.llm_prices,
            model_classes=config.llm_model_classes,
            output_tokens=config.llm_output_tokens,
            time_zone=config.llm_time_zone,
        )


DEFAULTS = LLMOptions()
