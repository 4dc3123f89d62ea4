"""Who answers the main job's prompts: a found Ollama, else a provider whose key was given, else the simulator."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType

from rich.console import Console

from BackgroundCognition.orchestrator import (
    BaseWorker,
    LLMAPIWorker,
    OllamaWorker,
    UnifiedOrchestrator,
    WorkerCapability,
)
from vera_orchestrator.workers.llm.kinds import capability_of

SIMULATOR = "vera_orchestrator.simulator.running"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who is asked, in words, and the capability that a task names to be sent there."""

    words: str
    capability: str


@asynccontextmanager
async def source_for(orchestrator: UnifiedOrchestrator, console: Console) -> AsyncGenerator[Source]:
    """Choose among the orchestrator's workers; where none can be asked, add one of a simulator for the time being.

    A key that is there but of no use is told, with the reason.
    """
    found = found_source(orchestrator.worker_registry.get_all_workers(), console)
    if found is not None:
        yield found
        return
    running = await load_simulator()
    with running.serving() as simulator:
        worker = OllamaWorker(simulator.url)
        await orchestrator.worker_registry.register(worker)
        words = f"simulated at {simulator.url}, as there is neither an Ollama with a model nor a key"
        yield Source(words=words, capability=WorkerCapability.OLLAMA)
        await orchestrator.worker_registry.unregister(worker.worker_id)


async def load_simulator() -> ModuleType:
    """Import the simulator, which takes two seconds the first time; the event loop goes on meanwhile."""
    return await asyncio.to_thread(importlib.import_module, SIMULATOR)


def found_source(workers: Sequence[BaseWorker], console: Console) -> Source | None:
    """Return the first Ollama with a model that chats, else the first provider that answers, else None."""
    for worker in workers:
        if isinstance(worker, OllamaWorker) and worker.is_usable and any(model.chats for model in worker.models):
            return Source(words=f"Ollama at {worker.ollama_url}", capability=WorkerCapability.OLLAMA)
    for worker in workers:
        if isinstance(worker, LLMAPIWorker):
            if worker.is_usable:
                return Source(words=worker.worker_id, capability=capability_of(worker.api_type))
            console.print(f"{worker.worker_id} cannot be asked: {worker.status_reason}", soft_wrap=True, markup=False)
    return None
