"""The kinds of workers, and their registry."""

from BackgroundCognition.orchestrator.workers.base import (
    BaseWorker,
    WorkerCapability,
    WorkerConfig,
    WorkerMetrics,
    WorkerStatus,
)
from vera_orchestrator.workers.docker import DockerWorker, DockerWorkerPool
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker
from vera_orchestrator.workers.registry import WorkerRegistry
from vera_orchestrator.workers.remote import RemoteWorker

__all__ = [
    "BaseWorker",
    "DockerWorker",
    "DockerWorkerPool",
    "LLMAPIWorker",
    "OllamaWorker",
    "RemoteWorker",
    "WorkerCapability",
    "WorkerConfig",
    "WorkerMetrics",
    "WorkerRegistry",
    "WorkerStatus",
]
