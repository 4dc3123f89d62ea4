"""How an orchestrator stands, in wire form."""

from __future__ import annotations

from typing import Any

from vera_orchestrator.engine.base import EngineStatus
from vera_orchestrator.enums import TaskPriority
from vera_orchestrator.runtime.codec import to_datetime
from vera_orchestrator.runtime.parts import Parts


def metrics_of(parts: Parts, started_at: float | None) -> dict[str, Any]:
    """Return the counts since the start."""
    ended = parts.progress.completed + parts.progress.failed
    total = parts.progress.execution_time_ms
    started = to_datetime(started_at)
    active = sum(not entry.is_coming for entry in parts.dispatcher.active)
    return {
        "tasks_submitted": parts.submission.submitted,
        "tasks_completed": parts.progress.completed,
        "tasks_failed": parts.progress.failed,
        "total_execution_time_ms": total,
        "started_at": started.isoformat() if started else None,
        "active_tasks": active,
        "queued_tasks": len(parts.live) - active,
        "avg_execution_time_ms": total / ended if ended else 0.0,
    }


def queues_of(parts: Parts, now: float) -> dict[str, Any]:
    """Return, by priority, how many tasks are ready and wait for a worker, and how long the oldest has waited."""
    waiting = parts.dispatcher.by_priority(now)
    queues: dict[str, Any] = {}
    for priority in TaskPriority:
        known = waiting.get(int(priority))
        queues[priority.name.lower()] = {
            "waiting": known.count if known is not None else 0,
            "oldest_wait_seconds": max(0.0, now - known.since) if known is not None else 0.0,
        }
    return queues


def recording_of(engine: EngineStatus) -> dict[str, Any]:
    """Return how recording in Prefect goes."""
    return {
        "connected": engine.connected,
        "api_url": engine.api_url,
        "ui_url": engine.ui_url,
        "reason": engine.reason,
        "advice": engine.advice,
        "recorded_runs": engine.recorded,
        "unrecorded_runs": engine.unrecorded,
        "limits": dict(engine.limits),
    }
