"""Progress and results of a batch in a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.models import ParallelBatch, Task

REFRESH_SECONDS = 0.1
COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}


async def show_progress(console: Console, orchestrator: UnifiedOrchestrator, batch_id: str) -> None:
    """Show how a batch goes on until it has ended."""
    ended = asyncio.ensure_future(orchestrator.wait_for_batch(batch_id))
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while not ended.done():
            batch = await orchestrator.get_batch(batch_id)
            if batch is not None:
                live.update(_states(batch), refresh=True)
            await asyncio.wait({ended}, timeout=REFRESH_SECONDS)
    await ended


def _states(batch: ParallelBatch) -> Table:
    done = sum(task.status.is_final for task in batch.tasks)
    table = Table(title=f"{done} of {len(batch.tasks)} tasks have ended", box=None)
    for task in batch.tasks:
        table.add_row(task.id, _status(task), task.status_reason or "")
    return table


def show_results(console: Console, batch: ParallelBatch, skipped: Sequence[str], remedy: str) -> None:
    """Show what became of the tasks of a batch, and which steps were left out and why."""
    rows = [
        (
            task.id,
            (task.result.worker_id or "") if task.result else "",
            f"{task.result.execution_time_ms:,.1f} ms" if task.result else "",
            str(task.status),
            _result(task),
        )
        for task in batch.tasks
    ]
    rows += [(name, "", "", "skipped", "no sandbox") for name in skipped]
    table = Table(title="The main job", expand=True)
    for place, column in enumerate(("task", "worker", "time", "status")):
        table.add_column(column, no_wrap=True, min_width=max(len(row[place]) for row in rows))
    table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=1)
    for task, worker, time, status, result in rows:
        table.add_row(task, worker, time, f"[{COLOURS.get(status, 'yellow')}]{status}[/]", escape(result))
    console.print(table)
    if skipped:
        console.print(f"Code was skipped, because there is no sandbox. Install it with: {remedy}", soft_wrap=True)


def show_answers(console: Console, batch: ParallelBatch, source: str) -> None:
    """Show what language models have answered, and who they were."""
    table = Table(title=f"Language models: {source}", expand=True)
    for column in ("task", "status", "model", "tokens", "cost"):
        table.add_column(column, no_wrap=True)
    table.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=1)
    for task in batch.tasks:
        metrics = task.result.metrics if task.result else {}
        tokens, cost = metrics.get("tokens_used"), metrics.get("cost_usd")
        table.add_row(
            task.id,
            _status(task),
            escape(str(metrics.get("model", ""))),
            "" if tokens is None else f"{tokens:,}",
            f"{cost:.6f} USD" if cost is not None else "not known" if tokens else "",
            escape(_result(task)),
        )
    console.print(table)


def _status(task: Task) -> str:
    return f"[{COLOURS.get(task.status, 'white')}]{task.status}[/]"


def _result(task: Task) -> str:
    """Return a task's result, or why it has none, on one line."""
    if task.result is None:
        return ""
    return " ".join(str(task.result.data if task.result.success else task.result.error).split())
