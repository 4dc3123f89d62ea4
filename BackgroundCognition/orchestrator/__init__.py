"""The specified import surface."""

from vera_orchestrator.engine.foreign_logging import import_prefect
from vera_orchestrator.origin import check_origin

check_origin()
import_prefect()

from BackgroundCognition.orchestrator.core import UnifiedOrchestrator  # noqa: E402
from BackgroundCognition.orchestrator.resources import APIQuota, LLMAPIPool, ResourceManager  # noqa: E402
from BackgroundCognition.orchestrator.router import TaskRouter  # noqa: E402
from BackgroundCognition.orchestrator.tasks import (  # noqa: E402
    ParallelBatch,
    Task,
    TaskPriority,
    TaskRequirements,
    TaskResult,
    TaskStatus,
    TaskType,
    register_task_type,
)
from BackgroundCognition.orchestrator.workers import (  # noqa: E402
    BaseWorker,
    DockerWorker,
    LLMAPIWorker,
    OllamaWorker,
    RemoteWorker,
    WorkerCapability,
    WorkerConfig,
    WorkerRegistry,
    WorkerStatus,
)
from vera_orchestrator.settings import OrchestratorConfig  # noqa: E402

__all__ = [
    "APIQuota",
    "BaseWorker",
    "DockerWorker",
    "LLMAPIPool",
    "LLMAPIWorker",
    "OllamaWorker",
    "OrchestratorConfig",
    "ParallelBatch",
    "RemoteWorker",
    "ResourceManager",
    "Task",
    "TaskPriority",
    "TaskRequirements",
    "TaskResult",
    "TaskRouter",
    "TaskStatus",
    "TaskType",
    "UnifiedOrchestrator",
    "WorkerCapability",
    "WorkerConfig",
    "WorkerRegistry",
    "WorkerStatus",
    "register_task_type",
]
