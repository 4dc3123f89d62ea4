"""Orchestrators and flow runs that take their workers from blocks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from BackgroundCognition.orchestrator import OrchestratorConfig, Task, TaskType, UnifiedOrchestrator
from blocks import OllamaHost
from blocks.registrations import Registrations
from tests.blocks.kept import KEY, Shelf, provider
from tests.engine.conftest import RunningServer
from tests.engine.server_users import ROOT
from tests.support import run, soon

UNREACHABLE = "http://127.0.0.1:9"
FLOW_SECONDS = 180
FLOW_RUN = """
import asyncio, json
from flows.run_task import run_task
payload = {"prompt": "hello", "model": "llama3.2"}
print(json.dumps(asyncio.run(run_task(type="ollama_request", payload=payload, options={"max_retries": 0}))))
"""


def config_of(home: Path, **more: Any) -> OrchestratorConfig:
    values = {"prefect": "embedded", "docker_pool_size": 0, "drain_seconds": 0, "freeze_garbage": False}
    return OrchestratorConfig(home=home, ollama_url=UNREACHABLE, **{**values, **more})


@pytest.fixture
async def shelf(running_server: RunningServer, state: Path) -> AsyncIterator[Shelf]:
    """The shared server's blocks: none at the end."""
    shelf = Shelf(running_server.address, config_of(state))
    yield shelf
    await shelf.clear()


def llm_task() -> Task:
    return Task(type=TaskType.LLM_REQUEST, payload={"prompt": "hello"}, max_retries=0)


async def test_a_registration_outlives_the_process_and_runs_a_task_right_after_the_next_start(
    state: Path, shelf: Shelf, provider_url: str
) -> None:
    async with UnifiedOrchestrator(config_of(state)) as first:
        worker_id = await soon(first.register_llm_api("anthropic", KEY, base_url=provider_url, default_model="m"))
    async with UnifiedOrchestrator(config_of(state)) as second:
        result = await run(second, llm_task())
    assert result.success, result.error
    assert result.worker_id == worker_id
    assert [stored.worker.worker_id for stored in await shelf.blocks()] == [worker_id]


async def test_a_start_that_is_broken_off_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    async def wait_for_ever(_: Registrations) -> None:
        waits.set()
        await asyncio.Event().wait()

    orchestrator = UnifiedOrchestrator(config_of(tmp_path, prefect="off"))
    with monkeypatch.context() as patch:
        patch.setattr(Registrations, "place", wait_for_ever)
        starting = asyncio.create_task(orchestrator.start())
        await soon(waits.wait())
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert not orchestrator.is_running
    async with orchestrator:
        assert orchestrator.is_running


async def test_an_unregistered_provider_is_gone_for_others_too(state: Path, shelf: Shelf, provider_url: str) -> None:
    await shelf.save(provider(provider_url, worker_id="mine"), "mine")
    async with UnifiedOrchestrator(config_of(state)) as first:
        assert await soon(first.unregister_llm_api("mine"))
    async with UnifiedOrchestrator(config_of(state)) as second:
        assert second.worker_registry.get_worker("mine") is None


async def test_keys_of_the_environment_are_not_written_down(
    state: Path, shelf: Shelf, provider_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider_url)
    async with UnifiedOrchestrator(config_of(state)) as started:
        kinds = {worker.to_dict().get("api_type") for worker in started.worker_registry.get_all_workers()}
        assert "anthropic" in kinds
    assert await shelf.blocks() == []


async def test_a_flow_run_in_another_process_builds_its_workers_from_blocks(
    running_server: RunningServer, state: Path, tmp_path: Path, shelf: Shelf, provider_url: str
) -> None:
    await shelf.save(OllamaHost(url=provider_url), "gpu")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "VERA_"))}
    environment = {
        **inherited,
        **running_server.address.client_settings,
        "PREFECT_HOME": str(tmp_path / "user"),
        "VERA_HOME": str(tmp_path / "elsewhere"),
        "VERA_OLLAMA_URL": UNREACHABLE,
        "VERA_DOCKER_POOL_SIZE": "0",
    }
    ended = await asyncio.to_thread(
        lambda: subprocess.run(
            [sys.executable, "-c", FLOW_RUN],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=FLOW_SECONDS,
            check=False,
        )
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["metrics"]["api_type"] == "ollama"
