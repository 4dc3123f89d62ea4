"""The FastAPI adapter."""

from api.app import create_app
from api.hosting import get_orchestrator, initialize_orchestrator, shutdown_orchestrator
from api.routes import PREFIX, register_routes

__all__ = [
    "PREFIX",
    "create_app",
    "get_orchestrator",
    "initialize_orchestrator",
    "register_routes",
    "shutdown_orchestrator",
]
