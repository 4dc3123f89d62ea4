"""Responses: what OpenAI's clients ask in place of chat completions, as far as it needs no state."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.callers import Submitter, sign
from api.endpoints.common import RunningOrchestrator
from api.openai import answering
from api.openai.errors import OpenAIRoute, of_result
from api.openai.limits import board_of
from api.openai.responses_answering import Answer, AnswerEvents
from api.openai.responses_asking import response_task
from api.openai.responses_bodies import ResponseAnswer, ResponseRequest
from api.openai.running import result_of
from api.openai.streaming import streamed
from api.responses import Json

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` as events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
router = APIRouter(route_class=OpenAIRoute, tags=["openai"])


@router.post("/responses", response_model=ResponseAnswer, responses=STREAMED)
async def responses(
    body: ResponseRequest, orchestrator: RunningOrchestrator, caller: Submitter, request: Request
) -> Response:
    """Answer a text or a conversation; nothing is kept for a later request."""
    task = response_task(body, orchestrator.config.llm_model_classes)
    await sign(caller, [task])
    board, answer = board_of(request.app), Answer(task, body, created=int(time.time()))
    if body.stream:
        response = await streamed(orchestrator, task, request, AnswerEvents(answer))
        response.headers.update(await board.headers(orchestrator, caller, task.worker_id))
        return response
    result = await result_of(orchestrator, task, request)
    headers = answering.headers(task, result) | await board.headers(orchestrator, caller, result.worker_id)
    return Json(answer.whole(result), headers=headers) if result.success else of_result(result, headers)
