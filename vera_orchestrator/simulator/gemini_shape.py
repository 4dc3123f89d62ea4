"""Gemini's shape: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.genai import types
from pydantic import BaseModel

from vera_orchestrator.simulator.conversation import MARK, Finish, Talk, Usage, vector
from vera_orchestrator.simulator.faults import CONTEXT_EXCEEDED, Refused
from vera_orchestrator.simulator.gemini_request import EmbedOne
from vera_orchestrator.simulator.simulator import Limits
from vera_orchestrator.simulator.wire import MALFORMED, Frame, event

SHOWN_MODELS = ("gemini-2.5-flash", "gemini-2.0-flash", "gemini-1.5-pro", "text-embedding-004")
MAX_TOKENS = 8_192
# the service has no code for it
_TOO_LONG = f"{MARK} The input token count exceeds the maximum number of tokens allowed."
_FINISH: Mapping[Finish, types.FinishReason] = {
    Finish.STOP: types.FinishReason.STOP,
    Finish.LENGTH: types.FinishReason.MAX_TOKENS,
    Finish.TOOL: types.FinishReason.STOP,
    Finish.FILTERED: types.FinishReason.SAFETY,
}
_STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GeminiShape:
    """What is Gemini's own."""

    name = "gemini"
    stream_type = "text/event-stream"

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return the key, from the header or the query."""
        return headers.get("x-goog-api-key") or query.get("key", "")

    def error(self, refused: Refused, number: int) -> dict[str, Any]:
        """Return the body of an error; the time after which to try again is said in it too."""
        del number
        value: dict[str, Any] = {
            "code": refused.status,
            "message": _TOO_LONG if refused.code == CONTEXT_EXCEEDED else refused.message,
            "status": _STATUSES.get(refused.status, "UNKNOWN"),
        }
        if refused.retry_after is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            value["details"] = [{"@type": kind, "retryDelay": f"{refused.retry_after:g}s"}]
        return {"error": value}

    def headers(self, number: int, limits: Limits | None) -> dict[str, str]:
        """Return nothing: the service names neither its requests nor its limits in headers."""
        del number, limits
        return {}

    def frame(self, value: dict[str, Any]) -> bytes:
        """Return an event."""
        return event(value)

    def broken_frame(self) -> bytes:
        """Return an event that cannot be read."""
        return b"data: " + MALFORMED + b"\n\n"


def generated(talk: Talk) -> dict[str, Any]:
    """Return a whole answer."""
    return _response(talk, _parts(talk), last=True)


def frames(talk: Talk) -> list[Frame]:
    """Return an answer as events; the last one holds the finish reason and the usage."""
    parts = _parts(talk)
    if not parts:
        return [Frame(data=event(generated(talk)))]
    return [
        Frame(data=event(_response(talk, [part], last=index == len(parts) - 1)), tokens=1)
        for index, part in enumerate(parts)
    ]


def embeddings(requests: Sequence[EmbedOne], *, dimensions: int, seed: int) -> list[dict[str, Any]]:
    """Return one vector per request."""
    return [
        _dump(types.ContentEmbedding(values=vector(one.content.text, one.output_dimensionality or dimensions, seed)))
        for one in requests
    ]


def token_count(tokens: int) -> dict[str, Any]:
    """Return a count of input tokens."""
    return _dump(types.CountTokensResponse(total_tokens=tokens))


def model(name: str, context_length: int) -> dict[str, Any]:
    """Return what is said of a model."""
    embeds = "embed" in name
    value = types.Model(
        name=f"models/{name}",
        display_name=f"{name} (simulated)",
        description="simulated",
        version="simulated",
        input_token_limit=context_length,
        output_token_limit=1 if embeds else MAX_TOKENS,
    )
    # the client knows this field by another name than the service
    can = ["embedContent"] if embeds else ["generateContent", "countTokens"]
    return _dump(value) | {"supportedGenerationMethods": can}


def _parts(talk: Talk) -> list[types.Part]:
    call = talk.answer.call
    if talk.answer.empty or talk.answer.finish is Finish.FILTERED:
        return []
    if call is not None:
        identifier = f"call-simulated-{talk.number}"
        return [types.Part(function_call=types.FunctionCall(id=identifier, name=call.name, args=call.arguments))]
    return [types.Part(text=piece) for piece in talk.answer.pieces]


def _response(talk: Talk, parts: list[types.Part], *, last: bool) -> dict[str, Any]:
    if len(parts) > 1:
        parts = [types.Part(text="".join(part.text or "" for part in parts))]
    candidate = types.Candidate(
        content=types.Content(role="model", parts=parts) if parts else None,
        finish_reason=_FINISH[talk.answer.finish] if last else None,
        index=0,
    )
    return _dump(
        types.GenerateContentResponse(
            candidates=None if talk.answer.empty else [candidate],
            model_version=talk.asked.model,
            response_id=f"simulated-{talk.number}",
            usage_metadata=_usage(talk.answer.usage) if talk.answer.usage and last else None,
        )
    )


def _usage(used: Usage) -> types.GenerateContentResponseUsageMetadata:
    """Return the counts; what was read from a cache is in the prompt, the thoughts are not in the candidates."""
    return types.GenerateContentResponseUsageMetadata(
        prompt_token_count=used.all_input,
        cached_content_token_count=used.cache_read or None,
        candidates_token_count=used.output,
        thoughts_token_count=used.reasoning or None,
        total_token_count=used.all_input + used.all_output,
    )


def _dump(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)
