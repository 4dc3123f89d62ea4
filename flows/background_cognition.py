"""Think in the background: meant to be scheduled."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.orchestration import run_one
from vera_orchestrator.enums import TaskType


@flow(name="background-cognition", persist_result=False)
async def background_cognition(
    focus: str | None = None,
    latest_conversation: str | None = None,
    focus_board: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run one background_cognition task at the lowest priority and return its result."""
    payload = {"focus": focus, "latest_conversation": latest_conversation, "focus_board": focus_board}
    fields = {"type": TaskType.BACKGROUND_COGNITION, "payload": payload, "priority": "background"}
    return await run_one(background_cognition, fields)
