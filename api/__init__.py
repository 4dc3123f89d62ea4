"""The FastAPI adapter, and the command line that speaks to it.

What is exported is imported when it is first used: a command that only asks a server loads neither it nor Prefect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PLACES = {
    "PREFIX": "api.routes",
    "create_app": "api.app",
    "get_orchestrator": "api.hosting",
    "initialize_orchestrator": "api.hosting",
    "register_routes": "api.routes",
    "shutdown_orchestrator": "api.hosting",
}


def __getattr__(name: str) -> Any:
    """Import an exported name from its module."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
