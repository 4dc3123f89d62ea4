"""An orchestrator inside a flow run: it claims only its own task or batch, and shows it in that flow run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prefect import Flow

from tasks import TASKS
from vera_orchestrator.compose import PrefectParts, compose, standard_tools
from vera_orchestrator.journal.base import TaskRow
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker


@asynccontextmanager
async def flow_orchestrator(own: Flow[..., Any], *, batch_key: int | None = None) -> AsyncIterator[Orchestrator]:
    """Start an orchestrator on the settings of the environment, and stop it afterwards.

    Of tasks that nobody owns it claims those of the batch `batch_key`, or none.
    """

    def scope(row: TaskRow) -> bool:
        return batch_key is not None and row.batch == batch_key

    prefect = PrefectParts(tasks=TASKS, batch_flow=own, adopt=True)
    orchestrator = Orchestrator(compose(OrchestratorConfig(), standard_tools(), prefect, scope=scope))
    orchestrator.worker_registry.add(ParallelBatchWorker(orchestrator))
    async with orchestrator:
        yield orchestrator
