"""Where the requests in Gemini's shape go; what to do with a model stands behind a colon in the path."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vera_orchestrator.simulator import gemini_shape as shape
from vera_orchestrator.simulator.conversation import Asked, Talk, input_tokens
from vera_orchestrator.simulator.exchange import Exchange
from vera_orchestrator.simulator.faults import Refused, check_model
from vera_orchestrator.simulator.form import parsed
from vera_orchestrator.simulator.gemini_request import EmbedMany, EmbedOne, Generate
from vera_orchestrator.simulator.simulator import Simulator


class GeminiRoutes:
    """The handlers of the paths under /v1beta/models, which are also served under /v1/models."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._exchange = Exchange(simulator, shape.GeminiShape())

    async def models(self, request: Request) -> Response:
        """List the models."""

        def value() -> dict[str, Any]:
            names = sorted(self._simulator.known) or shape.SHOWN_MODELS
            return {"models": [shape.model(name, self._simulator.settings.context_length) for name in names]}

        return await self._exchange.look(request, value, listing=True)

    async def model(self, request: Request, name: str) -> Response:
        """Describe a model."""

        def value() -> dict[str, Any]:
            check_model(self._simulator.known, name)
            return shape.model(name, self._simulator.settings.context_length)

        return await self._exchange.look(request, value)

    async def act(self, request: Request, name: str) -> Response:
        """Do with a model what the path says behind the colon."""
        model, _, action = name.rpartition(":")
        match action:
            case "generateContent" | "streamGenerateContent":
                return await self._generate(request, model, stream=action.startswith("stream"))
            case "countTokens":
                return await self._count(request, model)
            case "embedContent":
                return await self._embed_one(request, model)
            case "batchEmbedContents":
                return await self._embed_many(request, model)
            case _:
                return await self._exchange.look(request, _no_such_action)

    async def _generate(self, request: Request, model: str, *, stream: bool) -> Response:
        return await self._exchange.answer(
            request,
            Generate,
            lambda body: body.asked(model, stream=stream),
            lambda talk, _: shape.generated(talk),
            lambda talk, _: shape.frames(talk),
        )

    async def _count(self, request: Request, model: str) -> Response:
        body = await request.body()
        return await self._exchange.look(
            request,
            lambda: shape.token_count(
                input_tokens(parsed(body, Generate).asked(model), self._simulator.settings.message_tokens)
            ),
        )

    async def _embed_one(self, request: Request, model: str) -> Response:
        def read(body: EmbedOne) -> Asked:
            return EmbedMany(requests=[body]).asked(model)

        def whole(_: Talk, body: EmbedOne) -> dict[str, Any]:
            return {"embedding": self._vectors([body])[0]}

        return await self._exchange.answer(request, EmbedOne, read, whole)

    async def _embed_many(self, request: Request, model: str) -> Response:
        def whole(_: Talk, body: EmbedMany) -> dict[str, Any]:
            return {"embeddings": self._vectors(body.requests)}

        return await self._exchange.answer(request, EmbedMany, lambda body: body.asked(model), whole)

    def _vectors(self, requests: list[EmbedOne]) -> list[dict[str, Any]]:
        settings = self._simulator.settings
        return shape.embeddings(requests, dimensions=settings.dimensions, seed=settings.seed)


def _no_such_action() -> dict[str, Any]:
    raise Refused(404, "no such method")
