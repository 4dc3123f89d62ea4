"""What a tool may use besides its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from vera_orchestrator.models import TaskResult, utcnow
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools.workspace import open_workspace


def _unheard(fraction: float) -> None:
    del fraction


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Given to a function that has a parameter of this type.

    `send` makes one request as an api_request task with this payload would. `http_client` makes a client that keeps the
    same address rules; close it, best by `async with`. `report` tells the task's progress, 0 to 1, from any thread.
    `now` is the time, aware.
    """

    settings: OrchestratorConfig
    sandbox: Sandbox
    send: Callable[[dict[str, Any]], Awaitable[TaskResult]]
    http_client: Callable[[], httpx.AsyncClient]
    report: Callable[[float], None] = _unheard
    now: Callable[[], datetime] = utcnow

    @property
    def workspace(self) -> Path:
        """The folder that tools may use, made on first use; raises NotConfigured if it holds the state folder."""
        return open_workspace(self.settings)
