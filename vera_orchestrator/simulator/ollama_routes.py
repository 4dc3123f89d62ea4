"""Where Ollama's requests go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vera_orchestrator.simulator import ollama_shape as shape
from vera_orchestrator.simulator.conversation import MARK, Asked, Talk
from vera_orchestrator.simulator.exchange import Exchange
from vera_orchestrator.simulator.faults import Refused, check_model
from vera_orchestrator.simulator.form import parsed
from vera_orchestrator.simulator.ollama_request import Chat, Embed, Generate, Named, Run
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.simulator.wire import Frame, line

RunT = TypeVar("RunT", bound=Run)


class OllamaRoutes:
    """The handlers of Ollama's paths."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._exchange = Exchange(simulator, shape.OllamaShape())

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        router.add_api_route("/", self.root, methods=["GET", "HEAD"], response_model=None)
        router.add_api_route("/api/version", self.version, response_model=None)
        router.add_api_route("/api/tags", self.tags, response_model=None)
        router.add_api_route("/api/ps", self.ps, response_model=None)
        for path, handler in {
            "/api/chat": self.chat,
            "/api/generate": self.generate,
            "/api/embed": self.embed,
            "/api/show": self.show,
            "/api/pull": self.pull,
        }.items():
            router.add_api_route(path, handler, methods=["POST"], response_model=None)
        return router

    async def root(self) -> Response:
        """Say that the server is there."""
        return PlainTextResponse(f"{MARK} Ollama is running")

    async def version(self, request: Request) -> Response:
        """Return the version."""
        return await self._exchange.look(request, lambda: {"version": shape.VERSION})

    async def tags(self, request: Request) -> Response:
        """List the models."""
        names = sorted(map(_tagged, self._simulator.known or (*shape.SHOWN_MODELS, *self._simulator.pulled)))
        return await self._exchange.look(request, lambda: shape.tags(dict.fromkeys(names)), listing=True)

    async def ps(self, request: Request) -> Response:
        """List the loaded models."""
        names = sorted({_tagged(name) for name in self._simulator.loaded})
        length = self._simulator.settings.context_length
        return await self._exchange.look(request, lambda: shape.running(names, self._simulator.now(), length))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        return await self._run(request, Chat, Chat.asked, shape.chat_text)

    async def generate(self, request: Request) -> Response:
        """Answer a prompt."""
        return await self._run(request, Generate, Generate.asked, shape.generate_text)

    async def embed(self, request: Request) -> Response:
        """Embed texts."""
        settings = self._simulator.settings

        def whole(talk: Talk, body: Embed) -> dict[str, Any]:
            self._simulator.loaded |= {_tagged(body.model)}
            return shape.embeddings(talk, body, dimensions=settings.dimensions, seed=settings.seed)

        return await self._exchange.answer(request, Embed, Embed.asked, whole)

    async def show(self, request: Request) -> Response:
        """Describe a model."""
        body = await request.body()

        def value() -> dict[str, Any]:
            name = parsed(body, Named).wanted
            check_model(self._simulator.known, name)
            return shape.shown(name, self._simulator.settings.context_length)

        return await self._exchange.look(request, value)

    async def pull(self, request: Request) -> Response:
        """Pretend to fetch a model, and know it from then on."""
        settings = self._simulator.settings

        def is_there(body: Named) -> bool:
            return not settings.pullable or _tagged(body.wanted) in map(_tagged, settings.pullable)

        def read(body: Named) -> Asked:
            if not body.wanted:
                raise Refused(400, "model: there is none")
            if body.stream is False and not is_there(body):
                raise Refused(500, shape.NOT_PULLABLE)
            return Asked(model="", texts=(), prompt="", messages=0, max_tokens=0, stream=body.stream is not False)

        def frames(_: Talk, body: Named) -> list[Frame]:
            if not is_there(body):
                return [Frame(data=line(step)) for step in shape.pulling_nothing()]
            self._simulator.pulled |= {_tagged(body.wanted)}
            return [Frame(data=line(step), tokens=1) for step in shape.pulling(body.wanted, settings.pull_sizes)]

        def whole(talk: Talk, body: Named) -> dict[str, Any]:
            frames(talk, body)
            return {"status": "success"}

        return await self._exchange.answer(request, Named, read, whole, frames)

    async def _run(
        self, request: Request, form: type[RunT], read: Callable[[RunT], Asked], says: shape.Says
    ) -> Response:
        return await self._exchange.answer(
            request,
            form,
            read,
            lambda talk, body: shape.whole(talk, says, self._load(talk, body)),
            lambda talk, body: shape.frames(talk, says, self._load(talk, body)),
        )

    def _load(self, talk: Talk, body: Run) -> str | None:
        """Load the model, or unload it if the body says so; returns which, if nothing else was asked."""
        name = {_tagged(body.model)}
        if body.unloads:
            self._simulator.loaded -= name
        else:
            self._simulator.loaded |= name
        if talk.asked.messages:
            return None
        return "unload" if body.unloads else "load"


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
