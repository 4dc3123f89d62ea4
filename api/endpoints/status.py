"""How the orchestrator stands."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter

from api.callers import AnyCaller, Reader
from api.endpoints.common import AnyOrchestrator
from api.guard import GuardedRoute
from api.models import Health
from api.responses import Json

router = APIRouter(route_class=GuardedRoute, tags=["status"])


@router.get("/health", response_model=Health, summary="Whether it runs")
async def health(_: AnyCaller, orchestrator: AnyOrchestrator) -> Json:
    """Say whether the orchestrator runs."""
    return Json({"status": "healthy" if orchestrator.is_running else "stopped", "version": package_version()})


@router.get("/status", response_model=dict[str, Any], summary="How it stands")
async def status(_: Reader, orchestrator: AnyOrchestrator) -> Json:
    """Return counts, workers and resources."""
    return Json(orchestrator.get_status())


@router.get("/resources/stats", response_model=dict[str, Any], summary="What is in use")
async def resources(_: Reader, orchestrator: AnyOrchestrator) -> Json:
    """Return what is in use: processors, memory, requests, tokens, money."""
    return Json(orchestrator.resource_manager.get_resource_stats())


def package_version() -> str:
    """Return the version of this distribution, or "unknown" where it runs from a folder without being installed."""
    try:
        return version("vera-orchestrator")
    except PackageNotFoundError:
        return "unknown"
