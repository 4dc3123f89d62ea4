"""The app: all shapes on one address, and the simulator's own control."""

from __future__ import annotations

import json
from dataclasses import asdict

from fastapi import APIRouter, FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from vera_orchestrator.simulator.cloud_routes import CloudRoutes
from vera_orchestrator.simulator.ollama_routes import OllamaRoutes
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.simulator.wire import Marked


def create_app(simulator: Simulator) -> ASGIApp:
    """Return an app that answers in all shapes; every response has the header `x-simulated`."""
    app = FastAPI(title="LLM simulator (simulated)", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(OllamaRoutes(simulator).router())
    app.include_router(CloudRoutes(simulator).router())
    app.include_router(Control(simulator).router())
    return Marked(app)  # around everything, the framework's own error pages too


class Control:
    """The handlers of the paths under /_simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/_simulator")
        router.add_api_route("/settings", self.settings, response_model=None)
        router.add_api_route("/settings", self.change, methods=["POST"], response_model=None)
        router.add_api_route("/requests", self.requests, response_model=None)
        router.add_api_route("/requests", self.forget, methods=["DELETE"], response_model=None)
        return router

    async def settings(self) -> Response:
        """Return the settings, the key masked."""
        return JSONResponse(self._simulator.settings.model_dump(mode="json"))

    async def change(self, request: Request) -> Response:
        """Change the settings that the body names and keep the others; 422 says what is wrong, and nothing changes."""
        try:
            changes = json.loads(await request.body())
            kept = self._simulator.settings.model_dump() if isinstance(changes, dict) else {}
            settings = SimulatorSettings.model_validate(kept | changes)
        except ValidationError as error:
            return JSONResponse({"detail": error.errors(include_url=False, include_input=False)}, 422)
        except (ValueError, TypeError):
            return JSONResponse({"detail": "the body is no JSON object"}, 422)
        self._simulator.configure(settings)
        return await self.settings()

    async def requests(self) -> Response:
        """Return how many requests have arrived, and the newest of them."""
        seen = [asdict(request) for request in self._simulator.seen]
        return JSONResponse({"simulated": True, "count": self._simulator.count, "requests": seen})

    async def forget(self) -> Response:
        """Forget all requests."""
        self._simulator.forget()
        return await self.requests()
