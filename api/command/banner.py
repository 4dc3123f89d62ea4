"""What a server says of itself when it is up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from starlette.routing import Match

from api.routes import PREFIX
from BackgroundCognition.orchestrator import BaseWorker, OrchestratorConfig, UnifiedOrchestrator
from vera_orchestrator.settings import PrefectMode


def banner(orchestrator: UnifiedOrchestrator, app: FastAPI, url: str, *, reachable_by_others: bool) -> RenderableType:
    """Return addresses, where what is kept, and how the workers stand."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    if _serves(app, "/"):
        table.add_row("Dashboard", f"{url}/")
    table.add_row("API", f"{url}{PREFIX}  (described at {url}/docs)")
    if _serves(app, "/v1/models"):
        table.add_row("OpenAI-compatible", f"{url}/v1")
    if _serves(app, "/metrics"):
        table.add_row("Metrics", f"{url}/metrics")
    table.add_row("Prefect UI", _prefect(orchestrator))
    table.add_row("Journal", escape(journal_words(orchestrator.config)))
    if reachable_by_others:
        table.add_row("Access", "other machines reach this port; they need a key: vera keys create, or VERA_API_KEY")
    for name, words in worker_lines(orchestrator.worker_registry.get_all_workers()):
        table.add_row(name, escape(words))
    return Group(Text("Vera Orchestrator is up.", style="bold green"), table)


def journal_words(config: OrchestratorConfig) -> str:
    """Return where the journal is, without an account or a password."""
    url = config.journal_url
    if url.startswith("sqlite"):
        return url.partition(":///")[2]
    place = url.rpartition("@")[2] if "@" in url else url.partition("://")[2]
    return f"{url.partition(':')[0]} on {place.partition('?')[0]}"


def prefect_auth_file(config: OrchestratorConfig) -> Path | None:
    """Return the file with what Prefect's UI asks for; None where no server is embedded or a setting holds it."""
    path = config.home / "prefect" / "auth"
    return path if config.prefect_auth_string is None and path.exists() else None


def worker_lines(workers: Sequence[BaseWorker]) -> Iterable[tuple[str, str]]:
    """Yield the workers that can be used, and the others by the reason why they cannot."""
    usable = [worker.worker_id for worker in workers if worker.is_usable]
    yield "Workers", ", ".join(usable) or "none can be used"
    away: dict[str, list[str]] = {}
    for worker in workers:
        if not worker.is_usable:
            away.setdefault(f"{worker.status}: {worker.status_reason or 'no reason is known'}", []).append(
                worker.worker_id
            )
    for reason, ids in away.items():
        yield "Down", f"{', '.join(ids)}: {reason}"


def _serves(app: FastAPI, path: str) -> bool:
    asked: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(dict(asked))[0] is Match.FULL for route in app.routes)


def _prefect(orchestrator: UnifiedOrchestrator) -> str:
    if orchestrator.config.prefect is PrefectMode.OFF:
        return "off (VERA_PREFECT=off)"
    status = orchestrator.engine.status
    if not status.connected:
        return escape(f"not connected: {status.reason or 'it is being started'}")
    auth = prefect_auth_file(orchestrator.config)
    asks = f"  (it asks for the auth string in {auth})" if auth else ""
    return escape(f"{status.ui_url}{asks}")
