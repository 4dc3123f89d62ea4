"""Results of the main job in a terminal, from what the API answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.command.words import coloured, one_line

Wire = Mapping[str, Any]
LONGEST = 500


def show_results(console: Console, batch: Wire, skipped: Sequence[str], remedy: str) -> None:
    """Show what became of the tasks of a batch, and which steps were left out and why."""
    rows = [
        (
            task["id"],
            task["result"]["worker_id"] or "" if task["result"] else "",
            f"{task['result']['execution_time_ms']:,.1f} ms" if task["result"] else "",
            task["status"],
            _result(task),
        )
        for task in batch["tasks"]
    ]
    rows += [(name, "", "", "skipped", "no sandbox") for name in skipped]
    table = Table(title="The main job", expand=True)
    for place, column in enumerate(("task", "worker", "time", "status")):
        table.add_column(column, no_wrap=True, min_width=max((len(row[place]) for row in rows), default=0))
    table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=1)
    for task, worker, time, status, result in rows:
        table.add_row(escape(task), escape(worker), time, coloured(status), escape(result))
    console.print(table)
    if skipped:
        console.print(f"Code was skipped, because there is no sandbox. Install it with: {remedy}", soft_wrap=True)


def show_answers(console: Console, batch: Wire, source: str) -> None:
    """Show what language models have answered, and who they were."""
    table = Table(title=f"Language models: {source}", expand=True)
    for column in ("task", "status", "model", "tokens", "cost"):
        table.add_column(column, no_wrap=True)
    table.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=1)
    for task in batch["tasks"]:
        metrics: Mapping[str, Any] = task["result"]["metrics"] if task["result"] else {}
        tokens, cost = metrics.get("tokens_used"), metrics.get("cost_usd")
        table.add_row(
            escape(task["id"]),
            coloured(task["status"]),
            escape(str(metrics.get("model", ""))),
            "" if tokens is None else f"{tokens:,}",
            f"{cost:.6f} USD" if cost is not None else "not known" if tokens else "",
            escape(_result(task)),
        )
    console.print(table)


def _result(task: Wire) -> str:
    """Return a task's result, or why it has none, on one line."""
    result = task["result"]
    if not result:
        return ""
    return one_line(result["data"] if result["success"] else result["error"], LONGEST)
