"""Which worker a task goes to, and when."""

from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.scheduler import SmartScheduler

__all__ = ["Candidate", "SmartScheduler", "TaskRouter"]
