"""Puts the routes of an orchestrator into an app."""

from __future__ import annotations

from fastapi import FastAPI

from api.documents import EVERYWHERE
from api.endpoints import batches, catalog, history, keys, spending, status, task, tasks, workers
from api.hosting import hosting_of
from api.live import socket, stream
from BackgroundCognition.orchestrator import UnifiedOrchestrator

PREFIX = "/api/v2/orchestrator"


def register_routes(app: FastAPI, prefix: str = PREFIX, orchestrator: UnifiedOrchestrator | None = None) -> None:
    """Serve an orchestrator under `prefix`; without one, one is made from the environment's settings.

    It is started before the app's own lifespan and stopped after it, unless it runs already; where no lifespan runs,
    the first request starts it. A second call adds the routes under another prefix. Raises InvalidValue if the app
    serves another orchestrator.
    """
    hosting = hosting_of(app)
    if orchestrator is not None:
        hosting.use(orchestrator)
    tasks.add_tasks(app, prefix)  # first: what is called most is found soonest
    for router in (
        status.router,
        history.router,
        batches.router,
        catalog.router,
        workers.router,
        keys.router,
        spending.router,
    ):
        app.include_router(router, prefix=prefix, responses=EVERYWHERE)
    app.include_router(socket.router, prefix=prefix)
    app.include_router(stream.router, prefix=prefix, responses=EVERYWHERE)
    app.include_router(task.router, prefix=prefix, responses=EVERYWHERE)
    hosting.follow_lifespan(app)
