"""The orchestrator as an app of its own: `uvicorn --factory api.app:create_app`."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.cors import Cors
from api.dashboard import add_dashboard
from api.endpoints.status import package_version
from api.errors import http_problem
from api.hosting import hosting_of
from api.openai import add_openai
from api.routes import register_routes
from BackgroundCognition.orchestrator import UnifiedOrchestrator


def create_app(orchestrator: UnifiedOrchestrator | None = None) -> FastAPI:
    """Return an app that serves an orchestrator; without one, one is made from the environment's settings."""
    app = FastAPI(title="vera-orchestrator", version=package_version())
    register_routes(app, orchestrator=orchestrator)
    app.add_middleware(Cors, config=lambda: hosting_of(app).orchestrator.config)
    add_openai(app)
    add_dashboard(app)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http_problem(error)
