"""Workers that do not come up or go down in time."""

from __future__ import annotations

import asyncio

from tests.support import Scripted, soon
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.workers.registry import WorkerRegistry


class Hanging(Scripted):
    """Neither starts nor stops."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()

    async def start(self) -> bool:
        self.entered.set()
        return await asyncio.Event().wait()

    async def stop(self) -> bool:
        return await asyncio.Event().wait()


async def test_a_worker_that_does_not_come_up_in_time_is_unusable_and_says_why() -> None:
    worker = Hanging()
    assert not await soon(WorkerRegistry(start_seconds=0.01).register(worker))
    assert (worker.status, worker.status_reason) == (WorkerStatus.ERROR, "start() took longer than 0.01 s")


async def test_a_worker_that_does_not_go_down_in_time_is_left_behind() -> None:
    registry = WorkerRegistry(stop_seconds=0.01)
    worker = Hanging()
    registry.add(worker)
    assert await soon(registry.unregister(worker.worker_id))
    assert worker.status is WorkerStatus.OFFLINE


async def test_a_worker_whose_start_is_broken_off_does_not_count_as_starting_for_ever() -> None:
    worker = Hanging()
    start = asyncio.create_task(WorkerRegistry().start_worker(worker))
    await soon(worker.entered.wait())
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    assert (worker.status, worker.status_reason) == (WorkerStatus.ERROR, "its start was broken off")
