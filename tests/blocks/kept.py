"""Registrations with a registry of their own, on the server of a state folder, and what that server has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from blocks import LLMProvider
from blocks.documents import Stored, read_blocks
from blocks.registrations import Registrations
from tests.engine.recording import Records, eventually
from tests.support import settings, soon
from vera_orchestrator.engine.server import ServerAddress
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.registry import WorkerRegistry

KEY = "sk-blocks-1f2e3d4c5b6a"


def provider(url: str, key: str = KEY, **more: Any) -> LLMProvider:
    """Return a block for a provider at a loopback address."""
    values: dict[str, Any] = {"kind": "anthropic", "api_key": SecretStr(key), "base_url": url, **more}
    return LLMProvider(**values)


def kept_settings(home: Path, **more: Any) -> OrchestratorConfig:
    """Return settings with the embedded server."""
    return settings(home, **{"prefect": "embedded", "llm_keys_from_environment": False, **more})


@asynccontextmanager
async def opened(
    config: OrchestratorConfig, *, of_settings: Iterable[BaseWorker] = (), own: Iterable[BaseWorker] = ()
) -> AsyncGenerator[tuple[Registrations, WorkerRegistry]]:
    """Registrations that have been opened as an orchestrator does it, with workers of settings and others."""
    registry = WorkerRegistry()
    of_settings = list(of_settings)
    for worker in (*of_settings, *own):
        registry.add(worker)
    registrations = Registrations(config, registry, of_settings)
    registrations.open()
    try:
        await soon(registrations.place())
        yield registrations, registry
    finally:
        await soon(registrations.close())
        for worker in registry.get_all_workers():
            await registry.stop_worker(worker)


class Shelf:
    """The blocks that a server has."""

    def __init__(self, address: ServerAddress, config: OrchestratorConfig) -> None:
        self._records = Records(address)
        self._config = config

    async def blocks(self) -> list[Stored]:
        """Return all blocks."""
        async with self._records.client():
            return await read_blocks(self._config)

    async def of(self, worker_id: str) -> list[Stored]:
        """Return the blocks of a worker."""
        return [stored for stored in await self.blocks() if stored.worker.worker_id == worker_id]

    async def gets(self, worker_id: str) -> Stored:
        """Wait for the block of a worker."""
        (stored,) = await eventually(lambda: self.of(worker_id), len)
        return stored

    async def save(self, block: Any, name: str) -> None:
        """Save a block as somebody does it by hand."""
        async with self._records.client() as client:
            await block.asave(name, overwrite=True, client=client)

    async def clear(self) -> None:
        """Delete all blocks."""
        async with self._records.client() as client:
            for stored in await read_blocks(self._config):
                await client.delete_block_document(stored.document_id)
