"""From a task's payload to a call: pure."""

from __future__ import annotations

import json
from typing import Any

from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import CognitionPayload, LLMPayload, check_payload
from vera_orchestrator.workers.llm.base import LLMCall

THINKING = (
    "You are the background thinking of an assistant. Say briefly what is worth noticing, checking or doing next."
)


def read_payload(task: Task) -> LLMPayload:
    """Return what a task asks a model; raises InvalidPayload, naming the field.

    A background_cognition task becomes a prompt; fields such as `model` or `system` beside its own are kept.
    """
    payload = task.payload
    if task.type == TaskType.BACKGROUND_COGNITION:
        check_payload(task.type, payload)
        cognition = CognitionPayload.model_validate(payload)
        payload = {"system": THINKING, **(cognition.model_extra or {}), "prompt": cognition_prompt(cognition)}
    check_payload(TaskType.LLM_REQUEST, payload)
    return LLMPayload.model_validate(payload)


def build_call(payload: LLMPayload, model: str) -> LLMCall:
    """Return the call; a prompt follows the messages as one of the user's. Raises InvalidPayload for a bad message."""
    messages = list(payload.messages or ())
    for position, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            raise InvalidPayload(
                "A message has no role.",
                field=f"payload.messages.{position}.role",
                remedy="Give messages as {role, content}.",
            )
    if payload.prompt is not None:
        messages.append({"role": "user", "content": payload.prompt})
    return LLMCall(
        messages=tuple(messages),
        model=model,
        system=payload.system,
        temperature=payload.temperature,
        max_tokens=payload.max_tokens,
        extra=payload.model_extra or {},
    )


def with_system(call: LLMCall) -> list[dict[str, Any]]:
    """Return the messages with the system prompt as the first one, for providers that take it there."""
    system = [{"role": "system", "content": call.system}] if call.system is not None else []
    return [*system, *(dict(message) for message in call.messages)]


def cognition_prompt(payload: CognitionPayload) -> str:
    """Return the prompt of a background_cognition task: a section for each field that is given."""
    sections: list[str] = []
    if payload.focus:
        sections.append(f"Focus: {payload.focus}")
    if payload.latest_conversation:
        sections.append(f"Latest conversation:\n{payload.latest_conversation}")
    if payload.focus_board:
        sections.append(f"Focus board:\n{json.dumps(payload.focus_board, ensure_ascii=False, indent=2)}")
    return "\n\n".join(sections) or "There is no focus yet. Suggest one."
