"""One task in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from api.command.tables import plain_table
from api.command.waiting import FINAL
from api.command.words import as_json, coloured, duration, moment, money, number, priority

LONGEST = 4_000
ONE_LINE = 100


def task_view(task: Mapping[str, Any]) -> RenderableType:
    """Return what is known of a task."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in _facts(task):
        if words:
            table.add_row(name, words)
    attempts: list[Mapping[str, Any]] = task.get("attempts") or []
    return Group(table, _attempts(attempts)) if attempts else table


def _facts(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    result: Mapping[str, Any] = task.get("result") or {}
    yield "Task", escape(task["id"])
    reason = None if task["status"] in FINAL and result else task.get("status_reason")
    yield "Status", coloured(task["status"]) + (f"  {escape(reason)}" if reason else "")
    yield "Type", f"{escape(task['type'])}, {priority(task['priority'])}"
    yield "Submitted", moment(task["submitted_at"])
    yield "Started", moment(task["started_at"])
    ended = moment(task["completed_at"])
    time = duration(result["execution_time_ms"] / 1_000) if result.get("execution_time_ms") else ""
    yield "Ended", f"{ended}{f', after {time}' if ended and time else ''}"
    yield "Worker", escape(str(result.get("worker_id") or task.get("worker_id") or ""))
    yield "Retries", number(task["retry_count"]) if task["retry_count"] else ""
    yield "Batch", escape(task.get("batch_id") or "")
    yield "Tags", escape(", ".join(task.get("tags") or ()))
    yield "After", escape(", ".join(task.get("depends_on") or ()))
    yield "Routing", escape(_shown(task.get("routing")))
    yield "Prefect", escape(task.get("prefect_url") or "")
    yield "Payload", escape(_shown(task.get("payload")))
    yield "Result", escape(_shown(result.get("data")))
    error = escape(_shown(result.get("error") or task.get("error")))
    yield "Error", f"[red]{error}[/]" if error else ""


def _attempts(attempts: list[Mapping[str, Any]]) -> Table:
    columns = ("attempt", "began", "worker", "model", "tokens", "cost", "state")
    rows = [
        (
            str(place),
            moment(one["at"]),
            escape(one["worker_id"] or ""),
            escape(one.get("model") or ""),
            number(one.get("tokens")),
            money(one.get("cost_usd")),
            escape(one["state"]),
        )
        for place, one in enumerate(attempts, start=1)
    ]
    return plain_table(columns, rows, right=("tokens", "cost"))


def _shown(value: Any) -> str:
    if value in (None, {}, []):
        return ""
    text = value if isinstance(value, str) else as_json(value)
    if len(text) > ONE_LINE and not isinstance(value, str):
        text = as_json(value, indent=2)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters; --json shows all)"
