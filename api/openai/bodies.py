"""Requests in OpenAI's shape; fields beyond these go to the provider, where it knows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.models import Text

Positive = Annotated[int, Field(gt=0, le=1_000_000_000)]


class Request(BaseModel):
    """What all requests have."""

    model_config = ConfigDict(extra="allow")

    model: Text = Field(min_length=1, description="A provider's name of a model, worker/model, or a class: auto, fast.")

    def further(self) -> dict[str, Any]:
        """Return the fields that only a provider may know."""
        return {name: value for name, value in (self.model_extra or {}).items() if value is not None}


class StreamOptions(BaseModel):
    """What a stream holds beside the answer."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class ChatRequest(Request):
    """A conversation to be continued."""

    messages: list[dict[Text, Any]] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Literal[1] | None = None
    stop: Text | list[Text] | None = None
    response_format: dict[Text, Any] | None = None
    tools: list[dict[Text, Any]] | None = None
    tool_choice: Text | dict[Text, Any] | None = None
    cache: bool = Field(default=False, description="Whether an answer that was given to the same request will do.")


class EmbeddingRequest(Request):
    """Texts to turn into vectors."""

    input: Text | list[Text] = Field(min_length=1)
    dimensions: Positive | None = None
    encoding_format: Literal["float", "base64"] | None = None

    @field_validator("input")
    @classmethod
    def _not_empty(cls, value: str | list[str]) -> str | list[str]:
        if isinstance(value, list) and not all(value):
            raise ValueError("one of the texts is empty")
        return value
