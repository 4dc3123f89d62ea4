"""Chat completions."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.callers import Submitter, sign
from api.endpoints.common import RunningOrchestrator
from api.openai import answering
from api.openai.asking import chat_task
from api.openai.bodies import ChatRequest
from api.openai.errors import OpenAIRoute, of_result
from api.openai.limits import board_of
from api.openai.pieces import Pieces
from api.openai.running import result_of
from api.openai.streaming import streamed
from api.responses import Json

router = APIRouter(route_class=OpenAIRoute, tags=["openai"])


class ChatCompletion(BaseModel):
    """An answer, as OpenAI's API has it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` as events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("/chat/completions", response_model=ChatCompletion, responses=STREAMED)
async def chat_completions(
    body: ChatRequest, orchestrator: RunningOrchestrator, caller: Submitter, request: Request
) -> Response:
    """Continue a conversation."""
    task = chat_task(body, orchestrator.config.llm_model_classes, stream=bool(body.stream))
    await sign(caller, [task])
    board = board_of(request.app)
    if body.stream:
        options = body.stream_options
        include_usage = options is not None and options.include_usage
        pieces = Pieces(task, asked_model=body.model, created=int(time.time()), include_usage=include_usage)
        response = await streamed(orchestrator, task, request, pieces)
        response.headers.update(await board.headers(orchestrator, caller, task.worker_id))
        return response
    result = await result_of(orchestrator, task, request)
    headers = answering.headers(task, result) | await board.headers(orchestrator, caller, result.worker_id)
    if not result.success:
        return of_result(result, headers)
    answer = answering.completion(task, result, asked_model=body.model, created=int(time.time()))
    return Json(answer, headers=headers)
