"""From a task's result to an answer of the Responses API, whole or as events: pure."""

from __future__ import annotations

from typing import Any

from api.openai import answering
from api.openai.responses_bodies import ResponseRequest
from api.responses import to_json
from BackgroundCognition.orchestrator import Task, TaskResult
from vera_orchestrator.enums import ChunkKind
from vera_orchestrator.models import StreamChunk

REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete."""


class Answer:
    """Makes the answer to one request."""

    def __init__(self, task: Task, body: ResponseRequest, *, created: int) -> None:
        self._task = task
        self._body = body
        self._created = created

    def begun(self) -> dict[str, Any]:
        """Return the answer as it begins."""
        return self._answer("in_progress", [], None)

    def whole(self, result: TaskResult) -> dict[str, Any]:
        """Return the whole answer."""
        reason = REASONS.get(answering.finish_reason(result))
        answer = self._answer("completed" if reason is None else "incomplete", self.output(result), result)
        return answer | {"incomplete_details": None if reason is None else {"reason": reason}}

    def output(self, result: TaskResult) -> list[dict[str, Any]]:
        """Return what was said and which calls are asked for."""
        calls = [self.call(call, number) for number, call in enumerate(result.metrics.get("tool_calls") or ())]
        text = str(result.data or "")
        return [self.message(text), *calls] if text or not calls else calls

    def message(self, text: str, status: str = "completed") -> dict[str, Any]:
        """Return what was said."""
        content = [part_of(text)] if status == "completed" else []
        return {
            "id": f"msg_{self._task.id}",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def call(self, call: dict[str, Any], number: int) -> dict[str, Any]:
        """Return a call."""
        shown = answering.tool_call(call)
        signature = {"signature": shown["signature"]} if "signature" in shown else {}
        head = {"id": f"fc_{self._task.id}_{number}", "type": "function_call", "status": "completed"}
        return {**head, "call_id": shown["id"], **shown["function"], **signature}

    def _answer(self, status: str, output: list[dict[str, Any]], result: TaskResult | None) -> dict[str, Any]:
        body = self._body
        return {
            "id": f"resp_{self._task.id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": body.model if result is None else answering.model_of(result, body.model),
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": (body.reasoning or {}).get("effort"), "summary": None},
            "store": False,
            "temperature": body.temperature,
            "text": body.text or {"format": {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": body.tools or [],
            "top_p": (body.model_extra or {}).get("top_p"),
            "truncation": body.truncation or "disabled",
            "usage": None if result is None else usage_of(result),
        }


class AnswerEvents:
    """Makes the events of one answer, in their order."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._number = 0
        self._items = 0
        self._text: str | None = None
        self._calls = 0

    def begin(self) -> bytes:
        """Return the first events."""
        begun = self._answer.begun()
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def of(self, chunk: StreamChunk) -> bytes:
        """Return the events of a chunk, none where clients are told nothing of it; not of the last one."""
        match chunk.kind:
            case ChunkKind.TEXT:
                return self._delta(chunk.text)
            case ChunkKind.TOOL_CALL:
                assert chunk.tool_call is not None
                return self._text_done() + self._call(chunk.tool_call)
            case _:
                return b""

    def end(self, result: TaskResult) -> bytes:
        """Return the last events."""
        left = (result.metrics.get("tool_calls") or ())[self._calls :]
        events = self._text_done() + b"".join(self._call(call) for call in left)
        whole = self._answer.whole(result)
        return events + self._event(f"response.{whole['status']}", response=whole)

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return the event of an answer that breaks off."""
        told = error["error"]
        answer = self._answer.begun() | {
            "status": "failed",
            "error": {"code": "server_error", "message": told["message"]},
        }
        return self._event("response.failed", response=answer)

    def _delta(self, text: str) -> bytes:
        events = b""
        if self._text is None:
            self._text = ""
            item = self._answer.message("", "in_progress")
            events = self._event("response.output_item.added", output_index=self._items, item=item)
            events += self._event("response.content_part.added", **self._place(), part=part_of(""))
        self._text += text
        return events + self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def _text_done(self) -> bytes:
        text = self._text
        if text is None:
            return b""
        place = self._place()
        events = self._event("response.output_text.done", **place, text=text, logprobs=[])
        events += self._event("response.content_part.done", **place, part=part_of(text))
        item = self._answer.message(text)
        events += self._event("response.output_item.done", output_index=self._items, item=item)
        self._text = None
        self._items += 1
        return events

    def _call(self, call: dict[str, Any]) -> bytes:
        item = self._answer.call(call, self._calls)
        begun = {**item, "status": "in_progress", "arguments": ""}
        place = {"item_id": item["id"], "output_index": self._items}
        events = self._event("response.output_item.added", output_index=self._items, item=begun)
        arguments = {"arguments": item["arguments"], "name": item["name"]}
        events += self._event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        events += self._event("response.function_call_arguments.done", **place, **arguments)
        events += self._event("response.output_item.done", output_index=self._items, item=item)
        self._calls += 1
        self._items += 1
        return events

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._answer.message("")["id"], "output_index": self._items, "content_index": 0}

    def _event(self, kind: str, **values: Any) -> bytes:
        data = to_json({"type": kind, "sequence_number": self._number, **values})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def part_of(text: str) -> dict[str, Any]:
    """Return a text as a part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage_of(result: TaskResult) -> dict[str, Any] | None:
    """Return the tokens as the provider counted them; None where it did not."""
    used = answering.usage(result)
    if used is None:
        return None
    return {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": used["prompt_tokens_details"],
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": used["completion_tokens_details"],
        "total_tokens": used["total_tokens"],
    }
