"""OpenAI's shape: https://platform.openai.com/docs/api-reference."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types import CompletionUsage, CreateEmbeddingResponse, Embedding, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject

from vera_orchestrator.simulator.conversation import Answer, Finish, Talk, Usage, vector
from vera_orchestrator.simulator.faults import Refused
from vera_orchestrator.simulator.openai_request import Embed
from vera_orchestrator.simulator.simulator import Limits
from vera_orchestrator.simulator.wire import MALFORMED, Frame, event

SHOWN_MODELS = ("gpt-5.4-mini", "gpt-4o-mini", "gpt-4o", "text-embedding-3-small")
_FINISH: Mapping[Finish, str] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL: "tool_calls",
    Finish.FILTERED: "content_filter",
}
_ERROR_TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "requests"}


class OpenAIShape:
    """What is OpenAI's own."""

    name = "openai"
    stream_type = "text/event-stream"

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return the bearer token."""
        del query
        return headers.get("authorization", "").removeprefix("Bearer ")

    def error(self, refused: Refused, number: int) -> dict[str, Any]:
        """Return the body of an error."""
        del number
        kind = _ERROR_TYPES.get(refused.status, "invalid_request_error" if refused.status < 500 else "server_error")
        error = ErrorObject(message=refused.message, type=kind, code=refused.code)
        return {"error": error.model_dump(exclude={"misalignment"})}

    def headers(self, number: int, limits: Limits | None) -> dict[str, str]:
        """Return the request's id and, where there is a limit, where the caller stands."""
        headers = {"x-request-id": f"req-simulated-{number}"}
        if limits is not None:
            headers |= {
                "x-ratelimit-limit-requests": str(limits.limit),
                "x-ratelimit-remaining-requests": str(limits.remaining),
                "x-ratelimit-reset-requests": f"{limits.reset:.3f}s",
            }
        return headers

    def frame(self, value: dict[str, Any]) -> bytes:
        """Return an event."""
        return event(value)

    def broken_frame(self) -> bytes:
        """Return an event that cannot be read."""
        return b"data: " + MALFORMED + b"\n\n"


def completion(talk: Talk) -> dict[str, Any]:
    """Return a whole answer."""
    message = {"role": "assistant", "content": talk.answer.text or None, "tool_calls": _calls(talk) or None}
    choice = {"index": 0, "finish_reason": _FINISH[talk.answer.finish], "message": message, "logprobs": None}
    return ChatCompletion.model_validate(
        _head(talk, "chat.completion")
        | {"choices": [] if talk.answer.empty else [choice], "usage": _usage(talk.answer)}
    ).model_dump(mode="json", exclude_unset=True)


def chunks(talk: Talk, *, include_usage: bool) -> list[Frame]:
    """Return an answer as events; the usage comes last, if it was asked for."""
    frames: list[Frame] = [] if talk.answer.empty else [_chunk(talk, delta, finish) for delta, finish in _deltas(talk)]
    if include_usage and talk.answer.usage is not None:
        last: dict[str, Any] = {"choices": [], "usage": _usage(talk.answer)}
        frames.append(Frame(data=_event(_head(talk, "chat.completion.chunk") | last)))
    return [*frames, Frame(data=b"data: [DONE]\n\n")]


def embeddings(talk: Talk, body: Embed, *, dimensions: int, seed: int) -> dict[str, Any]:
    """Return one vector per text."""
    usage = talk.answer.usage or Usage(input=0, output=0)
    vectors = [vector(text, body.dimensions or dimensions, seed) for text in body.texts]
    value = CreateEmbeddingResponse(
        data=[Embedding(embedding=v, index=i, object="embedding") for i, v in enumerate(vectors)],
        model=talk.asked.model,
        object="list",
        usage={"prompt_tokens": usage.all_input, "total_tokens": usage.all_input},  # pyright: ignore[reportArgumentType]
    ).model_dump(mode="json")
    if body.encoding_format == "base64":
        for item, v in zip(value["data"], vectors, strict=True):
            item["embedding"] = base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode()
    return value


def model(name: str) -> dict[str, Any]:
    """Return what is said of a model."""
    return Model(id=name, created=0, object="model", owned_by="simulated").model_dump(exclude_unset=True)


def _head(talk: Talk, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-simulated-{talk.number}",
        "object": kind,
        "created": int(talk.at.timestamp()),
        "model": talk.asked.model,
        "system_fingerprint": "simulated",
    }


def _deltas(talk: Talk) -> Iterator[tuple[dict[str, Any], str | None]]:
    yield {"role": "assistant", "content": ""}, None
    for call in _calls(talk):
        function, text = call["function"], call["function"]["arguments"]
        begun = {"name": function["name"], "arguments": text[:5]}
        yield {"tool_calls": [{"index": 0, "id": call["id"], "type": "function", "function": begun}]}, None
        yield {"tool_calls": [{"index": 0, "function": {"arguments": text[5:]}}]}, None
    for piece in talk.answer.pieces:
        yield {"content": piece}, None
    yield {}, _FINISH[talk.answer.finish]


def _chunk(talk: Talk, delta: dict[str, Any], finish: str | None) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    tokens = int(bool(delta.get("content") or delta.get("tool_calls")))
    return Frame(data=_event(_head(talk, "chat.completion.chunk") | {"choices": [choice]}), tokens=tokens)


def _event(value: dict[str, Any]) -> bytes:
    return event(ChatCompletionChunk.model_validate(value).model_dump(mode="json", exclude_unset=True))


def _calls(talk: Talk) -> list[dict[str, Any]]:
    call = talk.answer.call
    if call is None:
        return []
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return [{"id": f"call-simulated-{talk.number}", "type": "function", "function": function}]


def _usage(answer: Answer) -> dict[str, Any] | None:
    used = answer.usage
    if used is None:
        return None
    return CompletionUsage.model_validate(
        {
            "prompt_tokens": used.all_input,
            "completion_tokens": used.all_output,
            "total_tokens": used.all_input + used.all_output,
            "prompt_tokens_details": {"cached_tokens": used.cache_read, "cache_write_tokens": used.cache_write},
            "completion_tokens_details": {"reasoning_tokens": used.reasoning},
        }
    ).model_dump(mode="json", exclude_unset=True)
