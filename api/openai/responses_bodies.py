"""Requests and answers of OpenAI's Responses API: the part that keeps no state between requests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.models import Text
from api.openai.bodies import Positive, Request


class ResponseRequest(Request):
    """Something to be answered; nothing of it is kept for a later request."""

    input: Text | list[dict[Text, Any]] = Field(min_length=1)
    instructions: Text | None = None
    stream: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    max_output_tokens: Positive | None = None
    text: dict[Text, Any] | None = None
    reasoning: dict[Text, Any] | None = None
    tools: list[dict[Text, Any]] | None = None
    tool_choice: Text | dict[Text, Any] | None = None
    metadata: dict[Text, Any] | None = None
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None
    background: Literal[False] | None = None
    store: bool | None = Field(default=None, description="Nothing is stored, whatever this says.")
    include: list[Text] | None = None
    truncation: Literal["disabled", "auto"] | None = None
    cache: bool = Field(default=False, description="Whether an answer that was given to the same request will do.")


class ResponseAnswer(BaseModel):
    """An answer, as OpenAI's API has it."""

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None = None
