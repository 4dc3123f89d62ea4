"""A program that runs a batch which never ends by itself, and says what became of it. Its argument is the state folder.

It prints the id of the batch's flow run, then, as JSON, the status and the error of each task.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from flows.run_batch import run_batch
from tasks import TASKS
from tests.support import Gate, settings, soon
from vera_orchestrator.compose import PrefectParts, compose, standard_tools
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.orchestrator import Orchestrator


async def main(home: Path) -> list[dict[str, Any]]:
    config = settings(home, prefect="auto", prefect_limits_seconds=0.1)
    running = Orchestrator(compose(config, standard_tools(), PrefectParts(tasks=TASKS, batch_flow=run_batch)))
    running.worker_registry.add(Gate(slots=1))
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    note = running.engine.on_shown_batch

    def on_shown_batch(key: int, flow_run_id: str) -> None:
        note(key, flow_run_id)
        shown.set_result(flow_run_id)

    running.engine.on_shown_batch = on_shown_batch
    async with running:
        batch_id = await running.submit_batch([Task(id="runs"), Task(id="waits")])
        assert isinstance(batch_id, str)
        sys.stdout.write(f"{await soon(shown)}\n")
        sys.stdout.flush()
        await soon(running.wait_for_batch(batch_id))
        batch = await running.get_batch(batch_id)
    assert batch is not None
    return [{"id": task.id, "status": task.status, "reason": task.status_reason} for task in batch.tasks]


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(asyncio.run(main(Path(sys.argv[1]))))}\n")
