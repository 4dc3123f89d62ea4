"""Registrations that outlive the process: workers become blocks, and blocks become workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any

from blocks.documents import Stored, WorkerBlock, delete_provider, read_blocks, save_provider
from blocks.llm_provider import LLMProvider
from vera_orchestrator.engine.connection import Connection, call, connect
from vera_orchestrator.engine.server import EmbeddedServer
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm.worker import LLMWorker
from vera_orchestrator.workers.registry import WorkerRegistry

FIRST_LOAD_SECONDS = 2.0
GOODBYE_SECONDS = 2.0
RETRY_SECONDS = 1.0
RETRY_SECONDS_AT_MOST = 30.0
logger = logging.getLogger(__name__)


class Registrations:
    """Keeps registrations as blocks in Prefect, and makes workers of the blocks that it has, both in the background.

    What was registered in this process goes before blocks, and blocks before `replaceable`, the workers that come from
    settings. What cannot be written now is written once Prefect can be reached again. Without Prefect
    (`VERA_PREFECT=off`) registrations end with the process.
    """

    def __init__(self, config: OrchestratorConfig, registry: WorkerRegistry, replaceable: Iterable[BaseWorker]) -> None:
        self._config = config
        self._registry = registry
        self._server: EmbeddedServer | None = None
        self._placed = {worker.worker_id: worker for worker in replaceable}
        self._blocks: Mapping[str, WorkerBlock] = {}
        self._changes: dict[str, LLMProvider | None] = {}
        self._is_away = False
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._written = asyncio.Event()
        self._may_place = asyncio.Event()
        self._tried = asyncio.Event()

    def put(self, worker_id: str, provider: LLMProvider) -> None:
        """Have a worker's block written, over an earlier one."""
        self._change(worker_id, provider)

    def remove(self, worker_id: str) -> None:
        """Have a worker's block deleted, if there is one."""
        self._change(worker_id, None)

    def open(self) -> None:
        """Begin to read the blocks, and to write what has to be written; nothing waits for it."""
        if self._config.prefect is PrefectMode.OFF or self._task is not None:
            return
        self._may_place.clear()
        self._tried.clear()
        self._is_away = False
        self._server = EmbeddedServer.of(self._config)
        self._task = asyncio.create_task(self._run(self._server), name="vera-blocks")

    async def place(self) -> None:
        """Let the blocks become workers; returns when they are known, or after a moment while Prefect does not answer.

        To be called when the other workers have been started.
        """
        self._may_place.set()
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOAD_SECONDS):
                    await self._tried.wait()

    async def close(self) -> None:
        """Write what can be written in a moment, and let go of the server; what is left is kept for the next `open`."""
        task, self._task = self._task, None
        server, self._server = self._server, None
        if task is None or server is None:
            return
        if self._changes and not self._is_away:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._written.wait()
        task.cancel()
        await asyncio.wait({task})
        server.release()
        if self._changes:
            logger.warning("not saved in Prefect, so it ends with this process: %s", ", ".join(self._changes))

    def _change(self, worker_id: str, provider: LLMProvider | None) -> None:
        if self._config.prefect is PrefectMode.OFF:
            return
        self._changes[worker_id] = provider
        self._written.clear()
        self._wanted.set()

    async def _run(self, server: EmbeddedServer) -> None:
        is_read = False
        pause = RETRY_SECONDS
        while True:
            self._wanted.clear()
            try:
                connection = await connect(self._config, server)
                if not is_read:
                    await self._read(connection)
                    is_read = True
                await self._write(connection)
            except PrefectUnavailable as error:
                self._away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_SECONDS_AT_MOST)
            else:
                self._is_away, pause = False, RETRY_SECONDS
                await self._wanted.wait()

    def _away(self, error: PrefectUnavailable) -> None:
        if not self._is_away:
            # the type alone: a server that refuses what it was sent repeats it, with the key
            cause = type(error.__cause__ or error).__name__
            logger.warning("blocks cannot be read from Prefect or written to it (%s); it will be tried again", cause)
        self._is_away = True
        self._tried.set()

    # from blocks to workers

    async def _read(self, connection: Connection) -> None:
        found = await call(connection, read_blocks(self._config))
        await self._may_place.wait()
        gone = [worker_id for worker_id in self._blocks if worker_id not in {one.worker.worker_id for one in found}]
        starts = [self._replace(stored) for stored in found if self._is_wanted(stored)]
        self._blocks = {stored.worker.worker_id: stored.block for stored in found}
        self._tried.set()
        await asyncio.gather(*starts, *(self._drop(worker_id) for worker_id in gone))

    def _is_wanted(self, stored: Stored) -> bool:
        worker_id = stored.worker.worker_id
        if worker_id in self._changes or not self._is_ours(worker_id):
            return False
        return self._blocks.get(worker_id) != stored.block

    def _is_ours(self, worker_id: str) -> bool:
        """Whether the worker of this id, if there is one, came from a block or from settings."""
        return self._registry.get_worker(worker_id) is self._placed.get(worker_id)

    def _replace(self, stored: Stored) -> Coroutine[Any, Any, None]:
        """Make a worker known, so that tasks wait for it, and return what starts it and stops the one before."""
        worker = stored.worker
        earlier = self._registry.get_worker(worker.worker_id)
        self._placed[worker.worker_id] = worker
        self._registry.add(worker)
        return self._begin(worker, earlier)

    async def _begin(self, worker: BaseWorker, earlier: BaseWorker | None) -> None:
        await self._registry.start_worker(worker)
        if earlier is not None:
            worker.metrics = earlier.metrics
            keep_usage(worker, earlier)
            await self._registry.stop_worker(earlier)
        self._registry.changed()

    async def _drop(self, worker_id: str) -> None:
        if self._is_ours(worker_id):
            self._placed.pop(worker_id, None)
            await self._registry.unregister(worker_id)

    # from workers to blocks

    async def _write(self, connection: Connection) -> None:
        while self._changes:
            worker_id, provider = next(iter(self._changes.items()))
            try:
                await call(connection, self._written_block(worker_id, provider))
            except PrefectUnavailable:
                self._changes[worker_id] = self._changes.pop(worker_id)  # another one's turn is next
                raise
            if self._changes.get(worker_id) is provider:  # it may have been registered again meanwhile
                del self._changes[worker_id]
        self._written.set()

    def _written_block(self, worker_id: str, provider: LLMProvider | None) -> Coroutine[Any, Any, None]:
        if provider is None:
            return delete_provider(worker_id, self._config)
        return save_provider(worker_id, provider, self._config)


def keep_usage(worker: BaseWorker, earlier: BaseWorker | None) -> None:
    """Let a worker go on counting where an earlier one of the same credential stopped."""
    if isinstance(worker, LLMWorker) and isinstance(earlier, LLMWorker) and worker.credential == earlier.credential:
        worker.usage = earlier.usage
