"""Batches in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from api.command.tables import plain_table
from api.command.waiting import FINAL
from api.command.words import COLOURS, coloured, duration, moment, number, one_line, why

ORDER = ("running", "failed", "cancelled", "rate_limited", "waiting_resources", "queued", "pending", "completed")
BAR_WIDTH = 40


def batches_view(batches: Sequence[Mapping[str, Any]]) -> Table:
    """Return a list of batches."""
    rows = [
        (
            moment(one["submitted_at"]),
            escape(one["batch_id"]),
            coloured(one["status"]),
            moment(one["completed_at"]),
            _counts(one["counts"]),
        )
        for one in batches
    ]
    return plain_table(("submitted", "batch", "status", "ended", "tasks"), rows, wide="tasks")


def batch_view(batch: Mapping[str, Any], *, most_rows: int | None = None) -> RenderableType:
    """Return a batch with its tasks; of more than `most_rows` those that matter most: running and failed first."""
    tasks: Sequence[Mapping[str, Any]] = batch["tasks"]
    shown = tasks
    if most_rows is not None and len(tasks) > most_rows:
        shown = sorted(tasks, key=lambda task: ORDER.index(task["status"]))[:most_rows]
    parts: list[RenderableType] = [_bar(batch["batch_id"], batch["status"], tasks), tasks_view(shown)]
    if len(shown) < len(tasks):
        parts.append(Text(f"… and {number(len(tasks) - len(shown))} more", "dim"))
    if batch.get("prefect_url"):
        parts.append(Text(f"In Prefect: {batch['prefect_url']}", "dim", overflow="fold"))
    return Group(*parts)


def tasks_view(tasks: Sequence[Mapping[str, Any]]) -> Table:
    """Return tasks with what became of them."""
    rows: list[tuple[str, ...]] = []
    for task in tasks:
        result: Mapping[str, Any] = task["result"] or {}
        time = result.get("execution_time_ms")
        told = one_line(result.get("data")) if result.get("success") else why(result.get("error") or _reason(task))
        rows.append(
            (
                escape(task["id"]),
                coloured(task["status"]),
                escape(result.get("worker_id") or ""),
                duration(time / 1_000) if time else "",
                escape(told),
            )
        )
    return plain_table(("task", "status", "worker", "time", "result"), rows, right=("time",), wide="result")


def _reason(task: Mapping[str, Any]) -> str | None:
    return task.get("status_reason")


def _bar(batch_id: str, status: str, tasks: Sequence[Mapping[str, Any]]) -> Table:
    counts = Counter(task["status"] for task in tasks)
    done = sum(count for name, count in counts.items() if name in FINAL)
    line = Table.grid(padding=(0, 1))
    colour = COLOURS.get(status, "cyan")
    bar = ProgressBar(total=max(len(tasks), 1), completed=done, width=BAR_WIDTH, complete_style=colour)
    told = "" if list(counts) == [status] else _counts(counts)
    line.add_row(f"[bold]{escape(batch_id)}[/]", bar, f"{done}/{len(tasks)}", coloured(status), told)
    return line


def _counts(counts: Mapping[str, int]) -> str:
    known = [name for name in ORDER if counts.get(name)]
    return ", ".join(f"{number(counts[name])} {coloured(name)}" for name in known)
