"""Tasks, batches and results."""

from vera_orchestrator.enums import TaskPriority, TaskStatus, TaskType
from vera_orchestrator.models import ParallelBatch, Task, TaskRequirements, TaskResult
from vera_orchestrator.payloads import register_task_type

__all__ = [
    "ParallelBatch",
    "Task",
    "TaskPriority",
    "TaskRequirements",
    "TaskResult",
    "TaskStatus",
    "TaskType",
    "register_task_type",
]
