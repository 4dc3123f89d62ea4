"""What the Prefect tasks have in common.

Nothing is cached, kept or repeated by Prefect: results and retries are the journal's.
"""

from typing import Any

from prefect.cache_policies import NO_CACHE

from vera_orchestrator.engine.slips import run_name

OPTIONS: dict[str, Any] = {
    "task_run_name": run_name,
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 0,
    "log_prints": False,
}


def tags_of(kind: str) -> set[str]:
    """Return the tags of the runs of a task type."""
    return {f"type:{kind}"}
