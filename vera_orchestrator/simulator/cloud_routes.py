"""Where the requests in the shapes of OpenAI, Anthropic and Gemini go; they share some paths."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from vera_orchestrator.simulator import anthropic_shape as anthropic
from vera_orchestrator.simulator import openai_shape as openai
from vera_orchestrator.simulator.anthropic_request import Count, Create
from vera_orchestrator.simulator.conversation import Talk, input_tokens
from vera_orchestrator.simulator.exchange import Exchange
from vera_orchestrator.simulator.faults import check_model
from vera_orchestrator.simulator.form import parsed
from vera_orchestrator.simulator.gemini_routes import GeminiRoutes
from vera_orchestrator.simulator.openai_request import Chat, Embed
from vera_orchestrator.simulator.simulator import Simulator


class CloudRoutes:
    """The handlers of the paths under /v1 and /v1beta."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._openai = Exchange(simulator, openai.OpenAIShape())
        self._anthropic = Exchange(simulator, anthropic.AnthropicShape())
        self._gemini = GeminiRoutes(simulator)

    def router(self) -> APIRouter:
        """Return the routes; Gemini's client asks /v1 or /v1beta, as it is told."""
        router = APIRouter()
        router.add_api_route("/v1/models", self.models, response_model=None)
        router.add_api_route("/v1beta/models", self._gemini.models, response_model=None)
        router.add_api_route("/v1/models/{name:path}", self.model, response_model=None)
        router.add_api_route("/v1beta/models/{name:path}", self._gemini.model, response_model=None)
        for path, handler in {
            "/v1/models/{name:path}": self._gemini.act,
            "/v1beta/models/{name:path}": self._gemini.act,
            "/v1/chat/completions": self.chat,
            "/v1/embeddings": self.embeddings,
            "/v1/messages": self.messages,
            "/v1/messages/count_tokens": self.count_tokens,
        }.items():
            router.add_api_route(path, handler, methods=["POST"], response_model=None)
        return router

    async def models(self, request: Request) -> Response:
        """List the models in the shape of whoever asks."""
        if "x-goog-api-key" in request.headers or "key" in request.query_params:
            return await self._gemini.models(request)
        if "anthropic-version" not in request.headers:
            return await self._openai.look(request, self._openai_list, listing=True)
        return await self._anthropic.look(request, self._anthropic_list, listing=True)

    async def model(self, request: Request, name: str) -> Response:
        """Describe a model in the shape of whoever asks."""
        if "x-goog-api-key" in request.headers or "key" in request.query_params:
            return await self._gemini.model(request, name)
        asks_anthropic = "anthropic-version" in request.headers

        def value() -> dict[str, Any]:
            check_model(self._simulator.known, name)
            length = self._simulator.settings.context_length
            return anthropic.model(name, length) if asks_anthropic else openai.model(name)

        return await (self._anthropic if asks_anthropic else self._openai).look(request, value)

    async def chat(self, request: Request) -> Response:
        """Answer in OpenAI's shape."""
        return await self._openai.answer(
            request,
            Chat,
            Chat.asked,
            lambda talk, _: openai.completion(talk),
            lambda talk, body: openai.chunks(
                talk, include_usage=body.stream_options is not None and body.stream_options.include_usage
            ),
        )

    async def embeddings(self, request: Request) -> Response:
        """Embed in OpenAI's shape."""
        settings = self._simulator.settings

        def whole(talk: Talk, body: Embed) -> dict[str, Any]:
            return openai.embeddings(talk, body, dimensions=settings.dimensions, seed=settings.seed)

        return await self._openai.answer(request, Embed, Embed.asked, whole)

    async def messages(self, request: Request) -> Response:
        """Answer in Anthropic's shape."""
        return await self._anthropic.answer(
            request,
            Create,
            Create.asked,
            lambda talk, _: anthropic.message(talk),
            lambda talk, _: anthropic.frames(talk),
        )

    async def count_tokens(self, request: Request) -> Response:
        """Count in Anthropic's shape."""
        body = await request.body()
        return await self._anthropic.look(
            request,
            lambda: anthropic.token_count(
                input_tokens(parsed(body, Count).asked(), self._simulator.settings.message_tokens)
            ),
        )

    def _openai_list(self) -> dict[str, Any]:
        names = sorted(self._simulator.known) or openai.SHOWN_MODELS
        return {"object": "list", "data": [openai.model(name) for name in names]}

    def _anthropic_list(self) -> dict[str, Any]:
        names = list(sorted(self._simulator.known) or anthropic.SHOWN_MODELS)
        data = [anthropic.model(name, self._simulator.settings.context_length) for name in names]
        return {"data": data, "first_id": names[0], "last_id": names[-1], "has_more": False}
