"""A process with an orchestrator that keeps asking a provider: `python -m tests.limits.program`.

It takes orders from standard input, one after the other; see `orders`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from BackgroundCognition.orchestrator import (
    OrchestratorConfig,
    Task,
    TaskRequirements,
    TaskResult,
    TaskStatus,
    TaskType,
    UnifiedOrchestrator,
)
from tests.limits.orders import COUNT, GO, Ended, Gone, Order, Ready, Said, Waiting
from vera_orchestrator.workers.metered import MeteredWorker

KEY = "the-key-of-all"
MODEL = "m"
MOVING = {TaskStatus.RUNNING, TaskStatus.QUEUED, TaskStatus.WAITING_RESOURCES}
NOWHERE = "http://127.0.0.1:9"
"""Where no Ollama is."""


def say(body: Ready | Ended | Waiting | Gone) -> None:
    """Tell the test."""
    sys.stdout.write(f"{Said(body=body).model_dump_json()}\n")
    sys.stdout.flush()


class Program:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._orchestrator = UnifiedOrchestrator(
            OrchestratorConfig(
                home=order.home,
                database_url=order.database,
                prefect="off",
                docker_pool_size=0,
                ollama_url=NOWHERE,
                llm_keys_from_environment=False,
                llm_time_zone=order.time_zone,
                llm_prices={MODEL: order.price},
                max_concurrent_tasks=order.at_once,
                health_check_interval=3_600,
                lease_seconds=5,
                lease_renew_seconds=0.5,
                freeze_garbage=False,
            )
        )
        self._tasks: list[Task] = []

    async def start(self) -> None:
        """Get a worker, and say what one call reserves."""
        one, order = self._orchestrator, self._order
        one.on_task_complete = self._completed
        one.on_task_failed = self._failed
        changed = asyncio.Event()
        one.worker_registry.on_change(changed.set)
        await one.start()
        worker_id = await one.register_llm_api(
            "openai",
            KEY,
            order.rate_limit_per_minute,
            quota=order.quota,
            base_url=order.provider,
            default_model=MODEL,
        )
        self._tasks = [self._task(worker_id) for _ in range(order.tasks)]
        worker = one.worker_registry.get_worker(worker_id)
        assert isinstance(worker, MeteredWorker)
        while not worker.is_usable:
            await changed.wait()
            changed.clear()
        say(Ready(call=(await worker.demand(self._tasks[0])).amounts))

    async def obey(self, command: str) -> None:
        """Do what the test says."""
        if command == GO:
            await asyncio.gather(*(self._orchestrator.submit_task(task) for task in self._tasks))
        elif command == COUNT:
            found = await self._statuses()
            while found.keys() & MOVING:  # the ledger is being asked again
                found = await self._statuses()
            say(Waiting(limited=found[TaskStatus.RATE_LIMITED], completed=found[TaskStatus.COMPLETED]))

    async def stop(self) -> None:
        """Stop the orchestrator."""
        await self._orchestrator.stop()
        say(Gone())

    def _task(self, worker_id: str) -> Task:
        task = Task(
            type=TaskType.LLM_REQUEST,
            payload={"prompt": self._order.prompt, "max_tokens": self._order.max_tokens},
            requirements=TaskRequirements(worker_id=worker_id),
        )
        task.caller = self._order.caller
        return task

    async def _statuses(self) -> Counter[TaskStatus]:
        tasks = await asyncio.gather(*(self._orchestrator.get_task(task.id) for task in self._tasks))
        return Counter(task.status for task in tasks if task is not None)

    def _completed(self, task: Task, result: TaskResult) -> None:
        del result
        say(Ended(task=task.id))

    def _failed(self, task: Task, error: object) -> None:
        say(Ended(task=task.id, error=str(error)))


async def main() -> None:
    """Carry out orders until there are none."""
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        program = Program(Order.model_validate_json(line))
        await program.start()
        while (command := (await reader.readline()).decode().strip()) in (GO, COUNT):
            await program.obey(command)
        await program.stop()


if __name__ == "__main__":
    asyncio.run(main())
