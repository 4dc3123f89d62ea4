"""Upkeep of the journal where no orchestrator runs all the time."""

from __future__ import annotations

import time

from prefect import flow

from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.settings import OrchestratorConfig

ROWS = 500


@flow(name="maintenance", persist_result=False)
async def maintenance() -> int:
    """Delete ended tasks beyond the retention settings; return how many."""
    settings = OrchestratorConfig()
    journal = make_journal(settings.journal_url)
    await journal.open()
    try:
        total = 0
        while True:
            deleted = await journal.prune(
                ended_before=time.time() - settings.retention_days * 86_400, keep=settings.retention_tasks, limit=ROWS
            )
            total += deleted
            if deleted < ROWS:
                return total
    finally:
        await journal.close()
