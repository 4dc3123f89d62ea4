"""Runs commands in Docker containers."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.payloads import DockerPayload, check_payload
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

if TYPE_CHECKING:
    from vera_orchestrator.workers.docker_engine import Containers
    from vera_orchestrator.workers.docker_run import ContainerOutcome, ContainerRun

ERROR_CHARACTERS = 2_000
KILL_SECONDS = 30


class DockerWorker(BaseWorker):
    """Runs `docker_task` tasks, each in a container of its own that is removed afterwards.

    A container has no network, no capabilities, a read-only root, 64 MiB in /tmp, the user 65534, memory and processes
    as `sandbox_memory_mb` and `sandbox_processes` say, and as many processors as the task asks for, else one. A command
    given as text is split into words as a shell would, but no shell runs it. Images are never pulled.

    The result's data is what the command wrote to stdout; its metrics hold `exit_code`, `stderr`, `truncated_bytes` and
    `oom_killed`. A command that exits with another code than 0 has failed for good; 127 is a program that is not there.
    """

    def __init__(
        self, settings: OrchestratorConfig, worker_id: str = "docker", config: WorkerConfig | None = None
    ) -> None:
        super().__init__(
            worker_id,
            [WorkerCapability.DOCKER],
            config or WorkerConfig(timeout_seconds=settings.task_timeout_seconds),
        )
        self._settings = settings
        self._containers: Containers | None = None
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> bool:
        """Look for Docker and remove what dead processes left; False, with `status_reason`, if it does not answer.

        A Docker that comes later is taken up by `health_check`.
        """
        if self._containers is None:
            self._containers = await asyncio.to_thread(_containers)
        self.status = WorkerStatus.STARTING
        return await self.health_check()

    async def stop(self) -> bool:
        """Take no more tasks; running containers belong to their tasks."""
        self.status, self.status_reason = WorkerStatus.OFFLINE, None
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        self._containers = self._threads = None
        return True

    async def health_check(self) -> bool:
        """Return whether Docker answers; where it did not before, leftovers are removed first."""
        containers = self._containers
        if containers is None:
            return False
        try:
            await asyncio.to_thread(containers.check if self.is_usable else containers.sweep)
        except WorkerUnavailable as error:
            return self._away(error)
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status, self.status_reason = WorkerStatus.BUSY if self.running else WorkerStatus.IDLE, None
        return True

    def accepts(self, task: Task) -> bool:
        """Return whether the memory and the processors it asks for can be had."""
        needs = task.requirements
        return (needs.memory_mb or 0) <= self._settings.sandbox_memory_mb and (needs.cpu_cores or 0) <= _cpus()

    async def execute_task(self, task: Task) -> TaskResult:
        """Run the command to its end.

        Raises InvalidPayload, NotConfigured for an image that Docker does not have, WorkerUnavailable without Docker,
        and TaskFailed, which is retried, if Docker went away meanwhile.
        """
        if self._containers is None:
            raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
        began = time.perf_counter()
        run = self._prepare(task, self._containers)
        try:
            outcome = await self._follow(run)
        except WorkerUnavailable as error:
            self._away(error)
            raise
        result = self._result(outcome)
        result.execution_time_ms = (time.perf_counter() - began) * 1000
        return result

    def _prepare(self, task: Task, containers: Containers) -> ContainerRun:
        from vera_orchestrator.workers.docker_run import ContainerRun, ContainerSpec, checked

        check_payload(TaskType.DOCKER_TASK, task.payload)
        payload, settings = DockerPayload.model_validate(task.payload), self._settings
        spec = ContainerSpec(
            image=payload.image or settings.docker_image,
            command=checked(payload),
            environment=payload.environment,
            memory_mb=settings.sandbox_memory_mb,
            cpus=task.requirements.cpu_cores or 1.0,
            processes=settings.sandbox_processes,
            output_bytes=settings.sandbox_output_bytes,
            worker_id=self.worker_id,
        )
        return ContainerRun(containers, spec)

    async def _follow(self, run: ContainerRun) -> ContainerOutcome:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.config.max_concurrent_tasks, f"{self.worker_id}-")
        end = asyncio.get_running_loop().run_in_executor(self._threads, run.run)
        try:
            await asyncio.wait([end])  # which, cancelled, leaves the thread at its work
        except asyncio.CancelledError:
            end.add_done_callback(_forget)
            run.kill_soon()
            await asyncio.wait([end], timeout=KILL_SECONDS)
            raise
        return end.result()

    def _result(self, outcome: ContainerOutcome) -> TaskResult:
        success = outcome.exit_code == 0 and not outcome.flooded
        return TaskResult(
            success=success,
            data=outcome.stdout,
            error=None if success else self._error(outcome),
            error_type=None if success else "TaskFailed",
            metrics={
                "exit_code": outcome.exit_code,
                "stderr": outcome.stderr,
                "truncated_bytes": outcome.dropped,
                "oom_killed": outcome.oom_killed,
            },
            worker_id=self.worker_id,
            retryable=None if success else False,
        )

    def _error(self, outcome: ContainerOutcome) -> str:
        if outcome.flooded:
            return "The command wrote far more output than is kept, and was ended."
        if outcome.oom_killed:
            return f"The command used more memory than it may ({self._settings.sandbox_memory_mb} MiB)."
        return outcome.stderr.strip()[-ERROR_CHARACTERS:] or f"exit code {outcome.exit_code}"

    def _away(self, error: WorkerUnavailable) -> bool:
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status = WorkerStatus.OFFLINE
        self.status_reason = str(error)
        return False


class DockerWorkerPool:
    """The Docker workers of an orchestrator: `docker_pool_size` of them, named docker-1, docker-2 and so on."""

    def __init__(self, registry: WorkerRegistry, settings: OrchestratorConfig) -> None:
        self._registry = registry
        self._settings = settings
        self._workers: list[DockerWorker] = []

    async def start(self) -> None:
        """Register the workers if Docker answers, else only the first one, whose `status_reason` says what is missing.

        That one recovers by its health check; the others come with the next `start`.
        """
        for number in range(len(self._workers) + 1, self._settings.docker_pool_size + 1):
            if self._workers and not self._workers[0].is_usable:
                return
            worker = DockerWorker(self._settings, f"docker-{number}")
            self._workers.append(worker)
            await self._registry.register(worker)

    async def stop(self) -> None:
        """Stop and forget the workers, except where another one has taken the name."""
        workers, self._workers = self._workers, []
        for worker in workers:
            if self._registry.get_worker(worker.worker_id) is worker:
                await self._registry.unregister(worker.worker_id)


def _cpus() -> int:
    return os.cpu_count() or 1


def _containers() -> Containers:
    from vera_orchestrator.workers.docker_engine import Containers  # the SDK takes 0.1 s to import

    return Containers()


def _forget(end: asyncio.Future[ContainerOutcome]) -> None:
    if not end.cancelled():
        end.exception()  # of a container that was killed; marks it as seen
