"""The status in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.command.words import coloured, duration, money, number

USABLE = ("idle", "busy", "overloaded")


def status_view(url: str, status: Mapping[str, Any], workers: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return everything about a server that fits on a screen."""
    return Group(*_parts(url, status, workers))


def _parts(url: str, status: Mapping[str, Any], workers: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    yield _headline(url, status)
    yield _facts(status)
    queues = {name: queue for name, queue in status.get("queues", {}).items() if queue["waiting"]}
    if queues:
        yield _queues(queues)
    if workers:
        yield workers_view(workers)


def _headline(url: str, status: Mapping[str, Any]) -> Text:
    state = "draining" if status.get("is_draining") else "running" if status["is_running"] else "stopped"
    colour = {"running": "bold green", "draining": "bold yellow"}.get(state, "bold red")
    return Text.assemble((f"● {state}", colour), f"  {duration(status.get('uptime_seconds'))}  {url}")


def _facts(status: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    metrics = status["metrics"]
    table.add_row(
        "Tasks",
        f"{number(metrics['active_tasks'])} running, {number(metrics['queued_tasks'])} waiting, "
        f"[green]{number(metrics['tasks_completed'])} completed[/], {_failures(metrics['tasks_failed'])} so far",
    )
    today = status["resources"]["llm_api_usage"]["totals"]
    table.add_row(
        # Ollama's use is not in these totals; vera spend has it.
        "LLM APIs today",
        f"{number(today['requests_today'])} requests, {number(today['tokens_today'])} tokens, "
        f"{money(today['cost_today'])}",
    )
    table.add_row("Prefect", escape(_prefect(status["prefect"])))
    return table


def _failures(count: int) -> str:
    return f"[red]{number(count)} failed[/]" if count else "0 failed"


def _prefect(prefect: Mapping[str, Any]) -> str:
    if not prefect["connected"]:
        return f"not connected: {prefect['reason']}"
    unrecorded = f", {number(prefect['unrecorded_runs'])} runs not recorded" if prefect["unrecorded_runs"] else ""
    return f"{prefect['ui_url'] or prefect['api_url']}{unrecorded}"


def _queues(queues: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("queue", "waiting", "oldest"):
        table.add_column(name, justify="left" if name == "queue" else "right")
    for name, queue in queues.items():
        table.add_row(name, number(queue["waiting"]), duration(queue["oldest_wait_seconds"]))
    return table


def workers_view(workers: Sequence[Mapping[str, Any]]) -> Table:
    """Return the workers: those that can be used first, the others by the reason why not."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("worker", "status", "tasks", "done", "failed", "average"):
        table.add_column(name, no_wrap=name != "worker", justify="left" if name in ("worker", "status") else "right")
    table.add_column("", overflow="fold", ratio=1)
    away: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for worker in workers:
        if worker["status"] in USABLE:
            table.add_row(*_worker_row([worker]))
        else:
            away.setdefault((worker["status"], worker.get("status_reason") or ""), []).append(worker)
    for alike in away.values():
        table.add_row(*_worker_row(alike))
    return table


def _worker_row(alike: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the cells for one worker, or for several that stand alike."""
    completed = sum(worker["metrics"]["tasks_completed"] for worker in alike)
    total_ms = sum(
        worker["metrics"]["tasks_completed"] * worker["metrics"]["avg_execution_time_ms"] for worker in alike
    )
    yield escape(", ".join(worker["id"] for worker in alike))
    yield coloured(alike[0]["status"])
    yield f"{sum(one['current_tasks'] for one in alike)}/{sum(one['max_concurrent_tasks'] for one in alike)}"
    yield number(completed)
    yield number(sum(worker["metrics"]["tasks_failed"] for worker in alike))
    yield duration(total_ms / completed / 1_000) if completed else ""
    yield escape(alike[0].get("status_reason") or "")
