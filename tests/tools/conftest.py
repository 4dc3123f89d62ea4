"""What the tests of tools share: settings on a folder of their own, and a context."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vera_orchestrator.enums import TaskType
from vera_orchestrator.http.client import guarded_client
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools import ToolContext, ToolRegistry, register_builtins
from vera_orchestrator.workers.api_request import ApiRequestWorker

MakeContext = Callable[..., ToolContext]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def _send(settings: OrchestratorConfig, payload: dict[str, Any]) -> TaskResult:
    worker = ApiRequestWorker(settings)
    await worker.start()
    try:
        return await worker.execute_task(Task(type=TaskType.API_REQUEST, payload=payload))
    finally:
        await worker.stop()


@pytest.fixture
def settings(tmp_path: Path) -> OrchestratorConfig:
    return OrchestratorConfig(home=tmp_path / "state", tools_root=tmp_path / "work")


@pytest.fixture
def make_context() -> MakeContext:
    def make(settings: OrchestratorConfig, **changes: Any) -> ToolContext:
        given: dict[str, Any] = {
            "settings": settings,
            "sandbox": Sandbox.from_settings(settings),
            "send": partial(_send, settings),
            "http_client": partial(guarded_client, settings),
        }
        return ToolContext(**(given | changes))

    return make


@pytest.fixture
def context(settings: OrchestratorConfig, make_context: MakeContext) -> ToolContext:
    return make_context(settings)


@pytest.fixture
def root(context: ToolContext) -> Path:
    return context.workspace


@pytest.fixture
def builtins() -> ToolRegistry:
    registry = ToolRegistry()
    register_builtins(registry)
    return registry


@pytest.fixture
async def sandboxed(context: ToolContext) -> ToolContext:
    """A context whose sandbox works; without bubblewrap the test is skipped, and fails where CI is set."""
    problem = await context.sandbox.probe()
    if problem is not None and not os.environ.get("CI"):
        pytest.skip(str(problem))
    assert problem is None
    return context
