"""What Prometheus finds at `/metrics`.

names.py     labels with a bound on how many there are
counted.py   what has happened in this process, counted as it happens
standing.py  how things stand, read when somebody asks
page.py      both, as a page
"""

from __future__ import annotations

from fastapi import FastAPI

from api.documents import EVERYWHERE
from api.hosting import hosting_of
from api.metrics.counted import Counted
from api.metrics.page import STATE_NAME, router


def add_metrics(app: FastAPI) -> None:
    """Serve `/metrics` in an app that serves an orchestrator, and count from its start on what happens there."""
    counted = Counted()
    setattr(app.state, STATE_NAME, counted)
    hosting_of(app).on_orchestrator(counted.follow)
    app.include_router(router, responses=EVERYWHERE)
