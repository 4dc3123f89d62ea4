"""Calls that the suite of the adapters makes."""

from __future__ import annotations

from typing import Any

from vera_orchestrator.enums import TaskType
from vera_orchestrator.models import Task
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.calls import build_call, build_embedding, read_payload
from vera_orchestrator.workers.llm.forms import EmbeddingCall, LLMAnswer, LLMCall
from vera_orchestrator.workers.llm.streaming import Chunk

SECONDS = 20.0
PIXEL = "iVBORw0KGgo="
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "of a city", "parameters": CITY}


def call(**payload: Any) -> LLMCall:
    """Return the call of an llm_request."""
    payload = {"model": "m", **payload}
    if "messages" not in payload:
        payload.setdefault("prompt", "hello")
    return build_call(read_payload(Task(type=TaskType.LLM_REQUEST, payload=payload)), payload["model"])


def embedding(*texts: str, **payload: Any) -> EmbeddingCall:
    """Return the call of an llm_request of the kind embedding."""
    payload = {"kind": "embedding", "input": list(texts), **payload}
    return build_embedding(read_payload(Task(type=TaskType.LLM_REQUEST, payload=payload)), "m")


async def ask(adapter: Adapter, **payload: Any) -> LLMAnswer:
    """Return the whole answer."""
    return await adapter.answer(call(**payload), seconds=SECONDS)


async def stream(adapter: Adapter, **payload: Any) -> list[Chunk]:
    """Return all chunks of the answer."""
    return [chunk async for chunk in adapter.stream(call(**payload), seconds=SECONDS)]


def configure(simulator: Simulator, **values: Any) -> None:
    """Set the simulator."""
    simulator.configure(SimulatorSettings.model_validate(values))
