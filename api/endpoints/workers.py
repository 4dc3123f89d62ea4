"""Workers: list, and register providers and nodes."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import SecretStr
from starlette.requests import Request

from api.callers import Manager, Reader, concerns
from api.documents import MISSING, TOO_LARGE, UNREACHABLE
from api.endpoints.common import AnyOrchestrator, RunningOrchestrator
from api.guard import GuardedRoute
from api.models import (
    LLMApiRegistration,
    Registered,
    RemoteRegistration,
    WorkerChanged,
    Workers,
)
from api.responses import Json
from BackgroundCognition.orchestrator import BaseWorker, LLMAPIWorker, RemoteWorker, WorkerRegistry
from vera_orchestrator.errors import InvalidValue, NodeUnreachable

router = APIRouter(route_class=GuardedRoute, tags=["workers"])


@router.get("/workers/list", response_model=Workers, summary="List workers")
async def list_workers(_: Reader, orchestrator: AnyOrchestrator) -> Json:
    """List the workers, with counts over all of them."""
    return Json(orchestrator.worker_registry.to_dict())


@router.post("/workers/llm-api/register", response_model=Registered, responses=TOO_LARGE, summary="Register a provider")
async def register_llm_api(
    _: Manager, request: Request, body: LLMApiRegistration, orchestrator: RunningOrchestrator
) -> Json:
    """Add a cloud LLM API. Whether it answers and takes the key is shown as the worker's status."""
    worker_id = await orchestrator.register_llm_api(
        body.api_type,
        body.api_key.get_secret_value(),
        rate_limit_per_minute=body.rate_limit_per_minute,
        cost_per_1k_tokens=body.cost_per_1k_tokens,
        quota=body.quota,
        base_url=body.base_url,
        default_model=body.default_model,
    )
    concerns(request, worker_id)
    return registered(orchestrator.worker_registry.require(worker_id))


@router.post(
    "/workers/remote/register",
    response_model=Registered,
    responses=UNREACHABLE | TOO_LARGE,
    summary="Register a remote node",
)
async def register_remote(
    _: Manager, request: Request, body: RemoteRegistration, orchestrator: RunningOrchestrator
) -> Json:
    """Add a remote compute node, if it can be reached."""
    token = body.auth_token or SecretStr("")
    worker = RemoteWorker(body.remote_url, worker_id=body.worker_id, auth_token=token)
    concerns(request, worker.worker_id)
    await admit_node(orchestrator.worker_registry, worker)
    return registered(worker)


@router.post("/workers/{worker_id:id}/drain", response_model=WorkerChanged, responses=MISSING, summary="Drain a worker")
async def drain(_: Manager, worker_id: str, orchestrator: RunningOrchestrator) -> Json:
    """Send a worker nothing new; what it runs goes on."""
    worker = orchestrator.worker_registry.drain(worker_id)
    return changed(worker, f"It ends {worker.running} running tasks and gets no new ones until it is resumed.")


@router.post(
    "/workers/{worker_id:id}/resume", response_model=WorkerChanged, responses=MISSING, summary="Resume a worker"
)
async def resume(_: Manager, worker_id: str, orchestrator: RunningOrchestrator) -> Json:
    """Send a drained worker tasks again."""
    worker = await orchestrator.worker_registry.resume(worker_id)
    return changed(worker, f"The worker is {worker.status}{reason_of(worker)}.")


@router.delete("/workers/{worker_id:id}", response_model=WorkerChanged, responses=MISSING, summary="Remove a worker")
async def remove(_: Manager, worker_id: str, orchestrator: RunningOrchestrator) -> Json:
    """Remove a worker; its running tasks end or are retried. One that the settings name is back at the next start."""
    worker = orchestrator.worker_registry.require(worker_id)
    if isinstance(worker, LLMAPIWorker):
        await orchestrator.unregister_llm_api(worker_id)
    else:
        await orchestrator.worker_registry.unregister(worker_id)
    return Json({"worker_id": worker_id, "status": "removed", "message": "The worker is removed."})


async def admit_node(registry: WorkerRegistry, worker: RemoteWorker) -> None:
    """Register a node that can be used; one with the same id is replaced only then.

    Raises NodeUnreachable, and InvalidValue if a worker of another kind has the id.
    """
    earlier = registry.get_worker(worker.worker_id)
    if earlier is not None and not isinstance(earlier, RemoteWorker):
        raise InvalidValue(
            f"{worker.worker_id!r} is the id of a worker of another kind.",
            field="worker_id",
            remedy="Choose another id, or give none.",
        )
    await registry.start_worker(worker)
    if not worker.is_usable:
        reason = worker.status_reason
        await registry.stop_worker(worker)
        raise NodeUnreachable(
            reason or "The node cannot be used.",
            field="remote_url",
            remedy="Start the node, check its address and token, and register it again.",
        )
    await registry.register(worker)


def registered(worker: BaseWorker) -> Json:
    """Answer that a worker was added, with how it stands."""
    message = f"The worker is {worker.status}{reason_of(worker)}."
    return Json({"worker_id": worker.worker_id, "status": "registered", "message": message})


def changed(worker: BaseWorker, message: str) -> Json:
    """Answer that a worker stands differently now."""
    return Json({"worker_id": worker.worker_id, "status": str(worker.status), "message": message})


def reason_of(worker: BaseWorker) -> str:
    """Return why a worker stands as it does, in brackets, if it says so."""
    return f" ({worker.status_reason})" if worker.status_reason else ""
