"""From a task's result to an answer in OpenAI's shape: pure."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from BackgroundCognition.orchestrator import Task, TaskResult
from vera_orchestrator.usage import Usage

FINISH: Mapping[str, str] = {name: name for name in ("stop", "length", "tool_calls", "content_filter")}


def completion(task: Task, result: TaskResult, *, asked_model: str, created: int) -> dict[str, Any]:
    """Return a whole answer."""
    calls = tool_calls(result)
    message: dict[str, Any] = {"role": "assistant", "content": result.data or (None if calls else ""), "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(result)}
    body: dict[str, Any] = {
        "id": completion_id(task),
        "object": "chat.completion",
        "created": created,
        "model": model_of(result, asked_model),
        "choices": [choice],
    }
    used = usage(result)
    return body if used is None else {**body, "usage": used}


def embeddings(result: TaskResult, *, asked_model: str, as_base64: bool) -> dict[str, Any]:
    """Return one vector per text."""
    vectors: Sequence[Sequence[float]] = result.data
    used = usage(result) or {"prompt_tokens": 0, "total_tokens": 0}
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": packed(vector) if as_base64 else vector}
            for index, vector in enumerate(vectors)
        ],
        "model": model_of(result, asked_model),
        "usage": {name: used[name] for name in ("prompt_tokens", "total_tokens")},
    }


def packed(vector: Sequence[float]) -> str:
    """Return a vector as base64 of its numbers in 32 bits, little-endian."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def headers(task: Task, result: TaskResult | None = None) -> dict[str, str]:
    """Return the headers that say who answered, and for how much."""
    told = {"x-request-id": task.id, "x-vera-task-id": task.id}
    worker_id = task.worker_id if result is None else result.worker_id
    if worker_id is not None:
        told["x-vera-worker"] = "".join(one if one.isascii() and one.isprintable() else "?" for one in worker_id)
    if result is None:
        return told
    cost = cost_of(result)
    return told if cost is None else {**told, "x-vera-cost-usd": f"{cost:.9f}".rstrip("0").rstrip(".")}


def cost_of(result: TaskResult) -> float | None:
    """Return what an answer cost in USD; None where that is not known."""
    cost = result.metrics.get("cost_usd")
    return cost if isinstance(cost, int | float) else None


def usage(result: TaskResult) -> dict[str, Any] | None:
    """Return the tokens as the provider counted them; None where it did not."""
    kept = result.metrics.get("usage")
    return None if kept is None else usage_json(Usage.from_json(kept))


def usage_json(used: Usage) -> dict[str, Any]:
    """Return tokens in OpenAI's form: those of a cache are in the prompt, those of thoughts in the completion."""
    cached = {"cached_tokens": used.cache_read}
    if used.cache_write:
        cached["cache_write_tokens"] = used.cache_write
    return {
        "prompt_tokens": used.whole_input,
        "completion_tokens": used.whole_output,
        "total_tokens": used.tokens,
        "prompt_tokens_details": cached,
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def tool_calls(result: TaskResult) -> list[dict[str, Any]]:
    """Return the calls that an answer asks for."""
    return [tool_call(call) for call in result.metrics.get("tool_calls") or ()]


def tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call; a provider's signature goes with it, so that a client may send it back."""
    function = {
        "name": call["name"],
        "arguments": json.dumps(call["arguments"], ensure_ascii=False, separators=(",", ":")),
    }
    signature = {"signature": call["signature"]} if call.get("signature") else {}
    return {"id": call["id"], "type": "function", "function": function, **signature}


def finish_reason(result: TaskResult) -> str:
    """Return why an answer ended; "stop" for a reason that OpenAI has no word for."""
    return FINISH.get(str(result.metrics.get("finish_reason")), "stop")


def model_of(result: TaskResult, asked_model: str) -> str:
    """Return the model that answered, as its provider calls it."""
    return str(result.metrics.get("model") or asked_model)


def completion_id(task: Task) -> str:
    """Return the id of a chat completion; the task's is in it."""
    return f"chatcmpl-{task.id}"
