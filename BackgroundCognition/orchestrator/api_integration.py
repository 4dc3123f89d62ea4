"""The orchestrator in a FastAPI app."""

from api import get_orchestrator, initialize_orchestrator, register_routes, shutdown_orchestrator

__all__ = ["get_orchestrator", "initialize_orchestrator", "register_routes", "shutdown_orchestrator"]
