"""Tasks as live readers get them: without what can be large."""

from __future__ import annotations

from typing import Any

from api.live.changes import About
from api.responses import to_json
from BackgroundCognition.orchestrator import Task, TaskStatus, UnifiedOrchestrator

LONGEST_TEXT = 1_000
MOST_BYTES = 8_000
RESULT_FIELDS = ("success", "error", "execution_time_ms", "worker_id")


def about(task: Task) -> About:
    """Return whose task it is, and which."""
    return About(task.caller, task.batch_id, task.id)


def brief(orchestrator: UnifiedOrchestrator, task: Task, fraction: float | None) -> bytes:
    """Return a task as JSON: without payload, the result without its data, with `progress` (0 to 1, or null).

    Long texts are cut, and metadata of more than some thousand bytes is left out: `GET /tasks/{task_id}` has it all.
    """
    shown = task.to_dict()
    del shown["payload"]
    status, reason = orchestrator.standing(task)
    shown["status"], shown["status_reason"] = str(status), _cut(reason)
    shown["progress"] = 1.0 if status is TaskStatus.COMPLETED else fraction
    result: dict[str, Any] | None = shown["result"]
    if result is not None:
        shown["result"] = {name: result[name] for name in RESULT_FIELDS}
        shown["result"]["error"] = _cut(result["error"])
    text = to_json(shown)
    if len(text) > MOST_BYTES:
        few: dict[str, Any] = {"metadata": {}, "tags": [], "depends_on": shown["depends_on"][:100]}
        text = to_json({**shown, **few, "is_cut": True})
    return text


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
