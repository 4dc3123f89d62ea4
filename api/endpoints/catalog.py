"""What tasks can use: tools and models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.callers import Reader
from api.catalog_models import Models, Tools
from api.endpoints.common import AnyOrchestrator
from api.guard import GuardedRoute
from api.responses import Json
from vera_orchestrator.workers.llm.worker import LLMWorker

router = APIRouter(route_class=GuardedRoute, tags=["tools and models"])


@router.get("/tools", response_model=Tools, summary="List tools")
async def tools(_: Reader, orchestrator: AnyOrchestrator) -> Json:
    """List the tools with the schemas of what they take."""
    listed = [
        {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}
        for tool in orchestrator.tools.schemas()
    ]
    return Json({"tools": listed, "count": len(listed)})


@router.get("/models", response_model=Models, summary="List models")
async def models(_: Reader, orchestrator: AnyOrchestrator) -> Json:
    """List the models of all workers as they were last seen, and the classes of models."""
    listed = [
        model
        for worker in orchestrator.worker_registry.get_all_workers()
        if isinstance(worker, LLMWorker)
        for model in models_of(worker)
    ]
    return Json({"models": listed, "classes": orchestrator.config.llm_model_classes, "count": len(listed)})


def models_of(worker: LLMWorker) -> list[dict[str, Any]]:
    """Return the wire form of a worker's models, the default one among them."""
    default = worker.chosen_model
    names = dict.fromkeys([*([default] if default else []), *(model.name for model in worker.models)])
    return [
        {
            "id": name,
            "worker_id": worker.worker_id,
            "api_type": worker.api_type,
            "status": str(worker.status),
            "is_default": name == default,
        }
        for name in names
    ]
