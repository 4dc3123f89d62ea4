"""Runs commands in containers."""

from __future__ import annotations

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.errors import WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry


class DockerWorker(BaseWorker):
    """Runs `docker_task` tasks."""

    def __init__(
        self, settings: OrchestratorConfig, worker_id: str = "docker", config: WorkerConfig | None = None
    ) -> None:
        super().__init__(worker_id, [WorkerCapability.DOCKER], config)
        self._settings = settings

    async def start(self) -> bool:
        """Ask Docker."""
        return False

    async def stop(self) -> bool:
        """Take no more tasks."""
        self.status = WorkerStatus.OFFLINE
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        """Run the command in a container."""
        raise WorkerUnavailable("Docker does not answer.")

    async def health_check(self) -> bool:
        """Ask Docker."""
        return False


class DockerWorkerPool:
    """The Docker workers of an orchestrator."""

    def __init__(self, registry: WorkerRegistry, settings: OrchestratorConfig) -> None:
        self._registry = registry
        self._settings = settings

    async def start(self) -> None:
        """Register the workers."""

    async def stop(self) -> None:
        """Unregister the workers."""
