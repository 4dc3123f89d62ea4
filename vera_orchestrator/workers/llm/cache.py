"""The name of an answer: equal for tasks that ask the same in the same way."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from vera_orchestrator.models import Task
from vera_orchestrator.payloads import LLMPayload

_NOT_OF_THE_ANSWER = frozenset({"stream", "cache"})


def cache_key(payload: LLMPayload, task: Task) -> str | None:
    """Return the SHA-256 of all that determines the answer, in hexadecimal; None for a task that wants its own.

    That is the payload with the model that it names (not one that was chosen for it), and which workers may answer.
    """
    if not payload.cache:
        return None
    asked = payload.model_dump(mode="json", exclude_none=True, exclude=set(_NOT_OF_THE_ANSWER))
    needs = task.requirements
    whole: dict[str, Any] = {
        "type": str(task.type),
        "asked": asked,
        "capabilities": sorted(needs.worker_capabilities),
        "worker": needs.worker_id,
        "prefer_ollama": task.metadata.get("prefer_ollama"),
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
