"""What every kind of worker is."""

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.models import WorkerConfig, WorkerMetrics
from vera_orchestrator.workers.base import BaseWorker

__all__ = ["BaseWorker", "WorkerCapability", "WorkerConfig", "WorkerMetrics", "WorkerStatus"]
