"""The models that can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.callers import AnyCaller
from api.endpoints.common import RunningOrchestrator
from api.openai.asking import CLASSES
from api.openai.errors import OpenAIRoute
from api.responses import Json
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from vera_orchestrator.enums import WorkerStatus
from vera_orchestrator.errors import NotFound
from vera_orchestrator.workers.llm.worker import LLMWorker

AWAY = frozenset({WorkerStatus.OFFLINE, WorkerStatus.ERROR, WorkerStatus.MAINTENANCE})
OWN = "vera-orchestrator"

router = APIRouter(route_class=OpenAIRoute, tags=["openai"])


class Model(BaseModel):
    """A model."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelList(BaseModel):
    """Models."""

    object: str
    data: list[Model]


@router.get("/models", response_model=ModelList)
async def models(orchestrator: RunningOrchestrator, caller: AnyCaller) -> Json:
    """List the classes of models and the models of all workers that can be reached."""
    del caller
    return Json({"object": "list", "data": [_shown(*one) for one in known_models(orchestrator).items()]})


@router.get("/models/{model:path}", response_model=Model)
async def model(model: str, orchestrator: RunningOrchestrator, caller: AnyCaller) -> Json:
    """Return one model; `worker/model` is one too."""
    del caller
    owner = known_models(orchestrator).get(model) or dict(_by_worker(orchestrator)).get(model)
    if owner is None:
        raise NotFound(f"there is no model {model!r}.", field="model", remedy="See /v1/models for those there are.")
    return Json(_shown(model, owner))


def known_models(orchestrator: UnifiedOrchestrator) -> dict[str, str]:
    """Return the names under which models can be asked for, with whose they are: classes first, each name once."""
    found = dict.fromkeys((*CLASSES, *orchestrator.config.llm_model_classes), OWN)
    for worker in _reachable(orchestrator):
        for name in _names(worker):
            found.setdefault(name, worker.api_type)
    return found


def _by_worker(orchestrator: UnifiedOrchestrator) -> Iterator[tuple[str, str]]:
    for worker in _reachable(orchestrator):
        for name in _names(worker):
            yield f"{worker.worker_id}/{name}", worker.api_type
            yield f"{worker.api_type}/{name}", worker.api_type


def _names(worker: LLMWorker) -> list[str]:
    listed = [one.name.removeprefix("models/") for one in worker.models]
    default = [worker.default_model] if worker.default_model else []
    return [*default, *listed]


def _reachable(orchestrator: UnifiedOrchestrator) -> list[LLMWorker]:
    workers = orchestrator.worker_registry.get_all_workers()
    return [one for one in workers if isinstance(one, LLMWorker) and one.status not in AWAY]


def _shown(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
