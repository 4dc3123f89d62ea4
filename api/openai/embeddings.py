"""Embeddings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.callers import Submitter, sign
from api.endpoints.common import RunningOrchestrator
from api.openai import answering
from api.openai.asking import embedding_task
from api.openai.bodies import EmbeddingRequest
from api.openai.errors import OpenAIRoute, of_result
from api.openai.limits import board_of
from api.openai.running import result_of
from api.responses import Json

router = APIRouter(route_class=OpenAIRoute, tags=["openai"])


class Embeddings(BaseModel):
    """Vectors, as OpenAI's API has them."""

    object: str
    data: list[dict[str, Any]]
    model: str
    usage: dict[str, int]


@router.post("/embeddings", response_model=Embeddings)
async def embeddings(
    body: EmbeddingRequest, orchestrator: RunningOrchestrator, caller: Submitter, request: Request
) -> Response:
    """Turn texts into vectors."""
    task = embedding_task(body, orchestrator.config.llm_model_classes)
    await sign(caller, [task])
    result = await result_of(orchestrator, task, request)
    limits = await board_of(request.app).headers(orchestrator, caller, result.worker_id)
    headers = answering.headers(task, result) | limits
    if not result.success:
        return of_result(result, headers)
    as_base64 = body.encoding_format == "base64"
    return Json(answering.embeddings(result, asked_model=body.model, as_base64=as_base64), headers=headers)
