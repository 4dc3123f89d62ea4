"""What the routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from api.hosting import get_orchestrator
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.errors import OrchestratorStopped


def running(orchestrator: UnifiedOrchestrator) -> UnifiedOrchestrator:
    """Return an orchestrator that runs; raises OrchestratorStopped."""
    if not orchestrator.is_running:
        raise OrchestratorStopped("the orchestrator was stopped.", remedy="Start the server again.")
    return orchestrator


async def _running(orchestrator: Annotated[UnifiedOrchestrator, Depends(get_orchestrator)]) -> UnifiedOrchestrator:
    return running(orchestrator)


AnyOrchestrator = Annotated[UnifiedOrchestrator, Depends(get_orchestrator)]
"""The app's orchestrator, which may have been stopped."""

RunningOrchestrator = Annotated[UnifiedOrchestrator, Depends(_running)]
"""The app's orchestrator; a stopped one is answered with 503."""
