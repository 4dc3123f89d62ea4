"""What can be set on the simulator: by flag, by argument, or while it runs."""

from __future__ import annotations

import math
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, field_validator


class Fault(StrEnum):
    """What can go wrong beside an error status."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    FILTERED = "filtered"
    HANG = "hang"
    CUT = "cut"
    RESET = "reset"
    STREAM_ERROR = "stream_error"


Outcome = int | Fault
"""What becomes of a request: 200 for an answer, another status for an error, or a fault."""

OK = 200


class SimulatorSettings(BaseModel):
    """Settings of a simulator; equal settings and equal requests in equal order give equal answers.

    Raises pydantic's ValidationError for a value out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(default=0, description="Makes faults, embeddings and the like repeatable.")

    # time
    latency: float = Field(default=0, ge=0, description="Seconds before an answer begins.")
    token_latency: float = Field(default=0, ge=0, description="Seconds per token of the answer.")

    # answers
    answers: tuple[str, ...] = Field(default=(), description="Answers given in turn; none: the prompt is echoed.")
    call_tools: bool = Field(default=True, description="Call the first tool offered, once per turn of the user.")
    dimensions: int = Field(default=64, ge=1, le=8192, description="Length of an embedding.")

    # models and keys
    models: tuple[str, ...] = Field(default=(), description="The known models; none: any model is known.")
    pullable: tuple[str, ...] = Field(default=(), description="The models that Ollama can pull; none: any.")
    pull_sizes: tuple[PositiveInt, ...] = Field(
        default=(1_000_000,), min_length=1, description="Bytes of the layers of a model that is pulled."
    )
    list_status: int = Field(
        default=OK, ge=200, le=599, description="Status of model lists; look-alikes give 404 or 501."
    )
    context_length: int = Field(default=131_072, ge=1, description="Tokens of input above which a request is refused.")
    key: SecretStr | None = Field(
        default=None, description="The key that OpenAI, Anthropic and Gemini ask for; none: any."
    )

    # usage
    report_usage: bool = Field(default=True, description="Whether counts of tokens are reported.")
    input_tokens: int | None = Field(default=None, ge=0, description="Input to report; none: as counted.")
    output_tokens: int | None = Field(
        default=None, ge=0, description="Output to report, reasoning in it; none: as counted."
    )
    cached_tokens: int = Field(default=0, ge=0, description="How much of the input was read from a cache, at most.")
    cache_write_tokens: int = Field(
        default=0, ge=0, description="How much of the rest was written to a cache, at most."
    )
    reasoning_tokens: int = Field(default=0, ge=0, description="Tokens of reasoning per answer, at most.")
    message_tokens: int = Field(default=3, ge=0, description="Tokens of input that each message costs beside its text.")

    # faults
    errors: tuple[Outcome, ...] = Field(
        default=(), description="Outcomes of the next requests in order; 200 is an answer."
    )
    error_rates: dict[Outcome, float] = Field(
        default_factory=dict[Outcome, float], description="How often a status or fault is the outcome, 0 to 1."
    )
    retry_after: float | None = Field(
        default=1, ge=0, description="Seconds of Retry-After on a 429; none: no such header."
    )
    cut_after: int = Field(
        default=1, ge=0, description="Pieces of a stream before the faults cut, reset and stream_error."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Requests of any 60 s above which 429 is given."
    )

    # memory
    keep_requests: int = Field(default=1_000, ge=1, description="Requests that are remembered.")

    @field_validator("errors")
    @classmethod
    def _outcomes(cls, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        for outcome in outcomes:
            if not _is_outcome(outcome):
                raise ValueError(f"{outcome} is no outcome: 200, 400 to 599, {', '.join(Fault)}")
        return outcomes

    @field_validator("error_rates")
    @classmethod
    def _rates(cls, rates: dict[Outcome, float]) -> dict[Outcome, float]:
        cls._outcomes(tuple(rates))
        if any(rate < 0 for rate in rates.values()) or math.fsum(rates.values()) > 1:
            raise ValueError("rates are from 0 to 1, also together")
        return rates


def _is_outcome(outcome: Outcome) -> bool:
    return isinstance(outcome, Fault) or outcome == OK or 400 <= outcome <= 599
