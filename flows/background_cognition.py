"""Think in the background: meant to be scheduled."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.run_task import run_task


@flow(name="background-cognition", persist_result=False)
async def background_cognition(
    focus: str | None = None,
    latest_conversation: str | None = None,
    focus_board: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run one background_cognition task at the lowest priority and return its result."""
    payload = {"focus": focus, "latest_conversation": latest_conversation, "focus_board": focus_board}
    return await run_task("background_cognition", payload, "background")
