"""Keeps what Prefect's engine says about the runs of an orchestrator off the console.

What users log themselves, with `get_run_logger()`, goes on to the console, and to Prefect while that can be reached.
"""

from __future__ import annotations

import logging

from vera_orchestrator.engine.hosts import is_ours, reachable

LOGGERS = (
    "prefect.engine",
    "prefect.flow_runs",
    "prefect.task_runs",
    "prefect.concurrency",
    "prefect.events.clients",
    "prefect._internal.concurrency",
    "ServerEvents",
    "APILogWorker",
)
MODULES = frozenset({"engine", "flow_engine", "task_engine", "_asyncio", "clients", "services"})


class EngineChatter(logging.Filter):
    """Lets nothing through that Prefect's engine itself says inside a run of ours: the journal knows it better."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is worth showing."""
        if not is_ours():
            return True
        if not reachable.get()():
            record.send_to_api = False  # it would wait for the server, in a queue without a bound
        return record.module not in MODULES or record.levelno >= logging.CRITICAL


def hush() -> EngineChatter:
    """Begin to filter; give the returned filter to `unhush` at the end."""
    chatter = EngineChatter()
    for name in LOGGERS:
        logging.getLogger(name).addFilter(chatter)
    return chatter


def unhush(chatter: EngineChatter) -> None:
    """Stop filtering."""
    for name in LOGGERS:
        logging.getLogger(name).removeFilter(chatter)
