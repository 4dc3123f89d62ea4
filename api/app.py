"""The orchestrator as an app of its own: `uvicorn --factory api.app:create_app`."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from api.cors import Cors
from api.dashboard import add_dashboard
from api.docs import add_docs
from api.endpoints.status import package_version
from api.errors import http_problem
from api.hosting import hosting_of
from api.metrics import add_metrics
from api.openai import add_openai, is_openais
from api.openai.errors import of_problem
from api.routes import register_routes
from BackgroundCognition.orchestrator import UnifiedOrchestrator

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def create_app(orchestrator: UnifiedOrchestrator | None = None) -> FastAPI:
    """Return an app that serves an orchestrator; without one, one is made from the environment's settings."""
    app = FastAPI(title="vera-orchestrator", version=package_version(), docs_url=None, redoc_url=None)
    register_routes(app, orchestrator=orchestrator)
    app.add_middleware(Cors, config=lambda: hosting_of(app).orchestrator.config)
    add_openai(app)
    add_dashboard(app)
    add_docs(app)
    add_metrics(app)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {**(error.headers or {}), "Allow": ", ".join(methods_at(request))}
    problem = http_problem(error)
    return of_problem(problem) if is_openais(request.url.path) else problem


def methods_at(request: Request) -> list[str]:
    """Return the methods that the path of a request has, be they of one route or of several."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
