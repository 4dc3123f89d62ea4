"""Progress and results of a batch in a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
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
    table = Table(title="The main job")
    for column in ("task", "worker", "time", "status", "result"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for task in batch.tasks:
        result = task.result
        time = f"{result.execution_time_ms:,.1f} ms" if result else ""
        table.add_row(task.id, result.worker_id if result else "", time, _status(task), _shortened(task))
    for name in skipped:
        table.add_row(name, "", "", "[yellow]skipped[/]", f"no sandbox; install it with: {remedy}")
    console.print(table)


def _status(task: Task) -> str:
    return f"[{COLOURS.get(task.status, 'white')}]{task.status}[/]"


def _shortened(task: Task, limit: int = 90) -> str:
    if task.result is None:
        return ""
    text = " ".join(str(task.result.data if task.result.success else task.result.error).split())
    return (text if len(text) <= limit else text[: limit - 1] + "…").replace("[", r"\[")
