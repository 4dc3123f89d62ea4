"""Builds what an orchestrator needs from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vera_orchestrator.engine.base import Engine, PlainEngine
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.runtime.parts import Outside
from vera_orchestrator.runtime.recovery import Scope
from vera_orchestrator.runtime.settlement import Hooks
from vera_orchestrator.secrets import Sealer
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode
from vera_orchestrator.tools import ToolRegistry, register_builtins, register_entry_points
from vera_orchestrator.workers.api_request import ApiRequestWorker
from vera_orchestrator.workers.code_execution import CodeExecutionWorker
from vera_orchestrator.workers.docker import DockerWorker
from vera_orchestrator.workers.llm.ollama_worker import ollama_workers
from vera_orchestrator.workers.registry import WorkerRegistry, installed_worker_kinds
from vera_orchestrator.workers.tool_call import ToolCallWorker

if TYPE_CHECKING:
    from prefect import Flow
    from prefect import Task as PrefectTask


@dataclass(frozen=True, kw_only=True)
class PrefectParts:
    """The Prefect objects that show tasks and batches; `adopt` uses the flow run that the process is in."""

    tasks: Mapping[str, PrefectTask[..., Any]]
    batch_flow: Flow[..., Any]
    adopt: bool = False


def compose(
    config: OrchestratorConfig,
    tools: ToolRegistry,
    prefect: PrefectParts,
    *,
    router: TaskRouter | None = None,
    scope: Scope | None = None,
) -> Outside:
    """Return journal, engine, router and workers for the settings; nothing is started.

    Makes the state folder. Raises NotConfigured for settings that cannot be met.
    """
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Outside(
        config=config,
        journal=make_journal(config.journal_url),
        engine=_engine(config, prefect),
        sealer=sealer_of(config),
        registry=_workers(config, tools),
        router=router or TaskRouter(config.routing),
        scope=scope or _everything,
        hooks=Hooks(),
    )


def standard_tools() -> ToolRegistry:
    """Return a registry with the built-in tools and those of installed packages."""
    tools = ToolRegistry()
    register_builtins(tools)
    register_entry_points(tools)
    return tools


def sealer_of(config: OrchestratorConfig) -> Sealer:
    """Return what seals secrets: with the key in the settings, or that of the state folder."""
    if config.seal_key is not None:
        return Sealer(config.seal_key.get_secret_value())
    return Sealer.from_file(config.home / "seal.key")


def _engine(config: OrchestratorConfig, prefect: PrefectParts) -> Engine:
    if config.prefect is PrefectMode.OFF:
        return PlainEngine()
    from vera_orchestrator.engine.prefect_engine import PrefectEngine

    return PrefectEngine(config, prefect.tasks, prefect.batch_flow, adopt=prefect.adopt)


def _workers(config: OrchestratorConfig, tools: ToolRegistry) -> WorkerRegistry:
    registry = WorkerRegistry()
    registry.add(ApiRequestWorker(config))
    registry.add(ToolCallWorker(config, tools))
    registry.add(CodeExecutionWorker(config))
    for number in range(1, config.docker_pool_size + 1):
        registry.add(DockerWorker(config, f"docker-{number}"))
    for worker in ollama_workers(config):
        registry.add(worker)
    for factory in installed_worker_kinds().values():
        registry.add(factory(config))
    return registry


def _everything(_: object) -> bool:
    return True
