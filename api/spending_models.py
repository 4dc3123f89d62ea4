"""Answers about money, tokens and limits."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class SpendingTotals(BaseModel):
    """What was used, reserved amounts of running requests included; money in USD."""

    requests: int
    tokens: int = Field(description="All tokens; where none were reported, those that were reserved.")
    input_tokens: int = Field(description="Tokens of prompts as reported, cached ones included.")
    output_tokens: int = Field(description="Tokens of answers as reported, reasoning included.")
    cached_tokens: int = Field(description="Those of the input tokens that were read from the provider's cache.")
    cost_usd: float
    estimated_requests: int = Field(description="Requests whose amounts are not reported yet, or never were.")
    unpriced_requests: int = Field(description="Requests that add no cost since the price of their model is unknown.")


class SpendingRow(SpendingTotals):
    """What was used by what has the named things in common; those that were not asked for are left out."""

    day: str | None = Field(default=None, description="YYYY-MM-DD in the answer's time zone.")
    worker_id: str | None = None
    provider: str | None = None
    model: str | None = None
    caller: str | None = Field(default=None, description="Id of the key; null: no key.")
    tag: str | None = Field(default=None, description="null: no tag. A request with two tags is in two rows.")


class SpendingAnswer(BaseModel):
    """What was used from `since` up to and without `until`, by day and then the most expensive first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "by": ["day", "model"],
                "since": "2026-05-01T00:00:00+00:00",
                "until": "2026-05-03T00:00:00+00:00",
                "time_zone": "UTC",
                "rows": [
                    {
                        "day": "2026-05-01",
                        "model": "gpt-5.4-mini",
                        "requests": 2,
                        "tokens": 1_200,
                        "input_tokens": 900,
                        "output_tokens": 300,
                        "cached_tokens": 0,
                        "cost_usd": 0.0021,
                        "estimated_requests": 0,
                        "unpriced_requests": 0,
                    }
                ],
                "totals": {
                    "requests": 2,
                    "tokens": 1_200,
                    "input_tokens": 900,
                    "output_tokens": 300,
                    "cached_tokens": 0,
                    "cost_usd": 0.0021,
                    "estimated_requests": 0,
                    "unpriced_requests": 0,
                },
                "truncated": False,
            }
        }
    )

    by: list[str]
    since: datetime
    until: datetime
    time_zone: str = Field(description="Time zone (IANA) of the days.")
    rows: list[SpendingRow]
    totals: SpendingTotals
    truncated: bool = Field(description="Whether there are more rows than `limit`; the totals hold all of them.")


class LimitRow(BaseModel):
    """How one limit stands; money in USD."""

    scope: str = Field(description="all, provider, budget, worker or key.")
    name: str | None = Field(description="Which provider, budget, worker or key; null for all.")
    measure: str = Field(description="requests, tokens or cost.")
    per: str = Field(description="minute, hour or day.")
    window_seconds: int
    limit: float
    used: float = Field(description="Reserved amounts of running requests included.")
    remaining: float
    resets_at: datetime | None = Field(
        description="When all that is used now no longer counts; null if nothing is used."
    )


class LimitsAnswer(BaseModel):
    """Every limit that is set, in all processes that share the journal."""

    limits: list[LimitRow]
