"""From the chunks of a result to the events of a stream in OpenAI's shape: pure."""

from __future__ import annotations

from typing import Any

from api.openai import answering
from api.responses import to_json
from BackgroundCognition.orchestrator import Task, TaskResult
from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.models import StreamChunk

DONE = b"data: [DONE]\n\n"


class Pieces:
    """Makes the events of one answer, in their order."""

    def __init__(self, task: Task, *, asked_model: str, created: int, include_usage: bool) -> None:
        self._head = {
            "id": answering.completion_id(task),
            "object": "chat.completion.chunk",
            "created": created,
            "model": asked_model,
        }
        self._asked_model = asked_model
        self._usage: dict[str, Any] = {"usage": None} if include_usage else {}
        self._task = task
        self._calls = 0

    def begin(self) -> bytes:
        """Return the first event."""
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def of(self, chunk: StreamChunk) -> bytes:
        """Return the events of a chunk, none where clients are told nothing of it; not of the last one."""
        match chunk.kind:
            case ChunkKind.TEXT:
                return self._event({"content": chunk.text})
            case ChunkKind.TOOL_CALL:
                assert chunk.tool_call is not None
                return self._call(chunk.tool_call)
            case _:
                return b""

    def end(self, result: TaskResult) -> bytes:
        """Return the last events: why it ended, what was used if that was asked for, and the mark of the end."""
        self._head["model"] = answering.model_of(result, self._asked_model)
        rest = b"".join(self._call(call) for call in (result.metrics.get("tool_calls") or ())[self._calls :])
        last = rest + self._event({}, answering.finish_reason(result))
        if self._usage:
            told = {"task_id": self._task.id, "worker_id": result.worker_id, "cost_usd": answering.cost_of(result)}
            used: dict[str, Any] = {"choices": [], "usage": answering.usage(result), "vera": told}
            last += event({**self._head, **used})
        return last + DONE

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return the event of an answer that breaks off."""
        return event(error)

    def _call(self, call: dict[str, Any]) -> bytes:
        piece = {"index": self._calls, **answering.tool_call(call)}
        self._calls += 1
        return self._event({"tool_calls": [piece]})

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._head, "choices": [choice], **self._usage})


def event(value: dict[str, Any]) -> bytes:
    """Return a value as an event."""
    return b"data: " + to_json(value) + b"\n\n"
