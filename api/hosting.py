"""The orchestrator of one app: made when it is first needed, and running while its app does.

It is kept on `app.state`, so that one process can serve several apps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator
from vera_orchestrator.errors import InvalidValue

STATE_NAME = "vera"


class Hosting:
    """Starts and stops the orchestrator of an app.

    Where the app has no lifespan (a mounted app, a test client without `with`), the first request starts the
    orchestrator, and the end of the event loop stops it.
    """

    def __init__(self) -> None:
        self._orchestrator: UnifiedOrchestrator | None = None
        self._followers: list[Callable[[UnifiedOrchestrator], None]] = []
        self._starting: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._started_here = False
        self._ended = False
        self._followed = False

    @property
    def orchestrator(self) -> UnifiedOrchestrator:
        """The orchestrator, running or not. Raises InvalidValue for settings that do not fit."""
        if self._orchestrator is None:
            self._take(UnifiedOrchestrator(OrchestratorConfig()))
            assert self._orchestrator is not None
        return self._orchestrator

    def on_orchestrator(self, follow: Callable[[UnifiedOrchestrator], None]) -> None:
        """Call `follow` with the orchestrator as soon as there is one, and again if another takes its place."""
        self._followers.append(follow)
        if self._orchestrator is not None:
            follow(self._orchestrator)

    def _take(self, orchestrator: UnifiedOrchestrator) -> None:
        self._orchestrator = orchestrator
        for follow in self._followers:
            follow(orchestrator)

    def use(self, orchestrator: UnifiedOrchestrator) -> None:
        """Serve this orchestrator; raises InvalidValue if the app has another one that was not shut down."""
        if not (self._orchestrator is None or self._orchestrator is orchestrator or self._ended):
            raise InvalidValue(
                "the app has an orchestrator already.", field="orchestrator", remedy="Use one app for each."
            )
        if orchestrator is not self._orchestrator:
            self._take(orchestrator)

    async def start(self) -> UnifiedOrchestrator:
        """Start the orchestrator, unless it runs already."""
        orchestrator = self.orchestrator
        self._ended = False
        if not orchestrator.is_running:
            self._started_here = True
            await orchestrator.start()
        return orchestrator

    async def stop(self) -> None:
        """Stop the orchestrator, if it was started here; requests do not start it again."""
        self._ended = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None and not keeper.done():
            keeper.cancel()
            await asyncio.wait({keeper})
        if self._orchestrator is not None and self._started_here:
            self._started_here = False
            await self._orchestrator.stop()

    async def ready(self) -> UnifiedOrchestrator:
        """Return the orchestrator for a request, started by it if nobody else did."""
        orchestrator = self.orchestrator
        if not (orchestrator.is_running or self._ended):
            if self._starting is None or self._starting.done():
                self._starting = asyncio.create_task(self._start_for_the_loop(), name="vera-start")
            # one start for all requests that come meanwhile, and no caller's leaving ends it
            await asyncio.shield(self._starting)
        return orchestrator

    async def _start_for_the_loop(self) -> None:
        orchestrator = await self.start()
        self._keeper = asyncio.create_task(self._stop_with_the_loop(orchestrator), name="vera-keeper")

    def follow_lifespan(self, app: FastAPI) -> None:
        """Start the orchestrator before the app's own lifespan begins, and stop it after that has ended."""
        if self._followed:
            return
        self._followed = True
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(scope_app: Any) -> AsyncGenerator[Any]:
            await self.start()
            try:
                async with inner(scope_app) as state:
                    yield state
            finally:
                await self.stop()

        app.router.lifespan_context = lifespan

    async def _stop_with_the_loop(self, orchestrator: UnifiedOrchestrator) -> None:
        """Wait to be cancelled, which a loop does to all of its tasks before it closes."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await orchestrator.stop()


def hosting_of(app: Any) -> Hosting:
    """Return what an app keeps its orchestrator in."""
    state = app.state
    if not hasattr(state, STATE_NAME):
        setattr(state, STATE_NAME, Hosting())
    return cast("Hosting", getattr(state, STATE_NAME))


async def get_orchestrator(connection: HTTPConnection) -> UnifiedOrchestrator:
    """Return the orchestrator of the app that a request or WebSocket came to; use it with `Depends`."""
    return await hosting_of(connection.app).ready()


async def initialize_orchestrator(app: FastAPI, config: OrchestratorConfig | None = None) -> UnifiedOrchestrator:
    """Start an app's orchestrator now, with these settings if it has none yet, and return it.

    Raises InvalidValue for settings that come too late.
    """
    hosting = hosting_of(app)
    if config is not None:
        hosting.use(UnifiedOrchestrator(config))
    return await hosting.start()


async def shutdown_orchestrator(app: FastAPI) -> None:
    """Stop an app's orchestrator, if the app has started it."""
    await hosting_of(app).stop()
