"""Anthropic's shape: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from pydantic import TypeAdapter

from vera_orchestrator.simulator.conversation import Answer, Finish, Talk, Usage
from vera_orchestrator.simulator.faults import Refused
from vera_orchestrator.simulator.simulator import Limits
from vera_orchestrator.simulator.wire import MALFORMED, Frame, event

SHOWN_MODELS = ("claude-haiku-4-5", "claude-3-5-haiku-latest", "claude-3-5-sonnet-latest")
MAX_TOKENS = 8_192
_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_FINISH: Mapping[Finish, str] = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
    Finish.FILTERED: "refusal",
}
_ERROR_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicShape:
    """What is Anthropic's own."""

    name = "anthropic"
    stream_type = "text/event-stream"

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return the key, which may also come as a bearer token."""
        del query
        return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")

    def error(self, refused: Refused, number: int) -> dict[str, Any]:
        """Return the body of an error."""
        kind = _ERROR_TYPES.get(refused.status, "invalid_request_error" if refused.status < 500 else "api_error")
        value = {
            "type": "error",
            "error": {"type": kind, "message": refused.message},
            "request_id": _request_id(number),
        }
        return ErrorResponse.model_validate(value).model_dump(mode="json", exclude_unset=True)

    def headers(self, number: int, limits: Limits | None) -> dict[str, str]:
        """Return the request's id and, where there is a limit, where the caller stands."""
        headers = {"request-id": _request_id(number)}
        if limits is not None:
            headers |= {
                "anthropic-ratelimit-requests-limit": str(limits.limit),
                "anthropic-ratelimit-requests-remaining": str(limits.remaining),
                "anthropic-ratelimit-requests-reset": limits.reset_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        return headers

    def frame(self, value: dict[str, Any]) -> bytes:
        """Return an event of an error."""
        return event(value, "error")

    def broken_frame(self) -> bytes:
        """Return an event that cannot be read."""
        return b"event: content_block_delta\ndata: " + MALFORMED + b"\n\n"


def message(talk: Talk) -> dict[str, Any]:
    """Return a whole answer."""
    answer = talk.answer
    reason, stop = _stop(answer)
    value = _head(talk) | {"content": _content(talk), "stop_reason": reason, "stop_sequence": stop}
    if answer.usage is None:
        return value  # the client's type has no message without usage, look-alike servers send one
    return Message.model_validate(value | {"usage": _usage(answer.usage)}).model_dump(mode="json", exclude_unset=True)


def frames(talk: Talk) -> list[Frame]:
    """Return an answer as events."""
    return [_frame(value, talk.answer.usage is None) for value in _events(talk)]


def token_count(tokens: int) -> dict[str, Any]:
    """Return a count of input tokens."""
    return MessageTokensCount(input_tokens=tokens).model_dump()


def model(name: str, context_length: int) -> dict[str, Any]:
    """Return what is said of a model."""
    value = {
        "id": name,
        "type": "model",
        "display_name": f"{name} (simulated)",
        "created_at": "2000-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": context_length,
        "max_tokens": MAX_TOKENS,
    }
    return ModelInfo.model_validate(value).model_dump(mode="json", exclude_unset=True)


def _head(talk: Talk) -> dict[str, Any]:
    return {
        "id": f"msg_simulated_{talk.number}",
        "type": "message",
        "role": "assistant",
        "model": talk.asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _content(talk: Talk) -> list[dict[str, Any]]:
    answer = talk.answer
    if answer.empty:
        return []
    if answer.call is None:
        return [{"type": "text", "text": answer.text}]
    return [_called(talk, answer.call.name, answer.call.arguments)]


def _called(talk: Talk, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_simulated_{talk.number}", "name": name, "input": arguments}


def _events(talk: Talk) -> Iterator[dict[str, Any]]:
    answer, used = talk.answer, talk.answer.usage
    begun = {} if used is None else {"usage": _usage(replace(used, output=1, reasoning=0))}
    yield {"type": "message_start", "message": _head(talk) | begun}
    if not answer.empty:
        yield {"type": "content_block_start", "index": 0, "content_block": _begun_block(talk)}
        for delta in _deltas(answer):
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
    reason, stop = _stop(answer)
    usage = {} if used is None else {"usage": _usage(used)}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": stop}} | usage
    yield {"type": "message_stop"}


def _begun_block(talk: Talk) -> dict[str, Any]:
    call = talk.answer.call
    return {"type": "text", "text": ""} if call is None else _called(talk, call.name, {})


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    if answer.call is not None:
        text = json.dumps(answer.call.arguments)
        yield from ({"type": "input_json_delta", "partial_json": part} for part in (text[:5], text[5:]))
    yield from ({"type": "text_delta", "text": piece} for piece in answer.pieces)


def _frame(value: dict[str, Any], as_it_is: bool) -> Frame:
    tokens = int(value["type"] == "content_block_delta")
    if not as_it_is:
        value = _EVENTS.validate_python(value).model_dump(mode="json", exclude_unset=True)
    return Frame(data=event(value, value["type"]), tokens=tokens)


def _stop(answer: Answer) -> tuple[str, str | None]:
    if answer.stopped_by is not None and answer.finish is Finish.STOP:
        return "stop_sequence", answer.stopped_by
    return _FINISH[answer.finish], None


def _usage(used: Usage) -> dict[str, Any]:
    """Return the counts; here `input_tokens` leaves out what was read from a cache or written to it."""
    return {
        "input_tokens": used.input,
        "output_tokens": used.all_output,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write,
        "output_tokens_details": {"thinking_tokens": used.reasoning},
    }


def _request_id(number: int) -> str:
    return f"req_simulated_{number}"
