"""The lists of tools and models."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.api.support import echoing, served
from vera_orchestrator.workers.llm import LLMAPIWorker


async def test_tools_are_listed_with_what_they_take(client: httpx.AsyncClient) -> None:
    body = (await client.get("/tools")).json()
    assert body["count"] == len(body["tools"]) > 10
    tool = next(tool for tool in body["tools"] if tool["name"] == "read_file")
    assert tool["description"]
    assert "path" in tool["parameters"]["properties"]


async def test_models_are_listed_with_their_workers_and_classes(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path, llm_model_classes={"fast": ["small"]})
    worker = LLMAPIWorker("openai", "sk-x", base_url="http://127.0.0.1:9/v1", default_model="small", worker_id="one")
    orchestrator.worker_registry.add(worker)
    async with served(orchestrator) as client:
        body = (await client.get("/models")).json()
    assert body["classes"] == {"fast": ["small"]}
    assert body["count"] == len(body["models"])
    assert [(one["id"], one["worker_id"], one["api_type"], one["is_default"]) for one in body["models"]] == [
        ("small", "one", "openai", True)
    ]
