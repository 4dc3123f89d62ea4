"""UnifiedOrchestrator: the orchestrator with everything that the specification names."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from blocks.llm_provider import provider_of
from blocks.orchestrator import BlockOrchestrator
from flows.run_batch import run_batch
from tasks import TASKS
from vera_orchestrator.compose import PrefectParts, compose, standard_tools
from vera_orchestrator.enums import TaskPriority, TaskType
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.ledger import Total
from vera_orchestrator.metering import credential_scope
from vera_orchestrator.models import APIQuota, Task, TaskResult
from vera_orchestrator.resources import ResourceManager
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.scheduler import SmartScheduler
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker
from vera_orchestrator.workers.remote import RemoteWorker

logger = logging.getLogger(__name__)


class UnifiedOrchestrator(BlockOrchestrator):
    """Takes tasks of all types, sends each to the best worker that can run it now, and loses none.

    Use it with `async with`, or call `start` and `stop`. `config` holds the settings, `router` decides which of several
    fitting workers is taken. `tools` is the registry of functions that tool_call tasks can call:
    `@orchestrator.tools.tool` adds one.
    """

    def __init__(self, config: OrchestratorConfig | None = None, router: TaskRouter | None = None) -> None:
        config = config or OrchestratorConfig()
        self.tools = standard_tools()
        prefect = PrefectParts(tasks=TASKS, batch_flow=run_batch)
        super().__init__(compose(config, self.tools, prefect, router=router))
        self.worker_registry.add(ParallelBatchWorker(self))
        self.resource_manager = ResourceManager(self.worker_registry, self.running_tasks, self._spent_by_credential)
        self.scheduler = SmartScheduler(self)

    async def execute_tool_call(
        self,
        tool_name: str,
        tool_input: dict[str, Any] | None = None,
        priority: TaskPriority = TaskPriority.NORMAL,
    ) -> TaskResult:
        """Call a tool as a task and return its result. Raises as `submit_task` does."""
        payload = {"tool_name": tool_name, "tool_input": tool_input or {}}
        return await self._result_of(Task(type=TaskType.TOOL_CALL, priority=priority, payload=payload))

    async def execute_llm_request(
        self,
        prompt: str,
        model: str | None = None,
        system: str | None = None,
        temperature: float = 0.7,
        prefer_ollama: bool = True,
        priority: TaskPriority = TaskPriority.NORMAL,
    ) -> TaskResult:
        """Ask a language model as a task and return its result; `data` is the text. Raises as `submit_task` does.

        With `prefer_ollama` a healthy Ollama is taken before a cloud API.
        """
        payload = {"prompt": prompt, "model": model, "system": system, "temperature": temperature}
        metadata = {"prefer_ollama": prefer_ollama}
        task = Task(
            type=TaskType.LLM_REQUEST,
            priority=priority,
            payload={name: value for name, value in payload.items() if value is not None},
            metadata=metadata,
        )
        return await self._result_of(task)

    async def register_llm_api(
        self,
        api_type: str,
        api_key: str,
        rate_limit_per_minute: int = 60,
        cost_per_1k_tokens: float = 0.0,
        quota: APIQuota | None = None,
        *,
        base_url: str | None = None,
        default_model: str | None = None,
        worker_id: str | None = None,
    ) -> str:
        """Add a worker for a cloud LLM API and return its id; the same credential again updates its worker.

        It is there at once. In the background it is written to Prefect as an LLMProvider block, encrypted, from which
        other processes and later ones take it when they start; with Prefect switched off it ends with this process.
        Whether the key works is found out afterwards and shown as the worker's status. Raises InvalidValue, naming
        the argument, for an unknown `api_type` or a value that cannot be used.
        """
        provider = provider_of(
            kind=api_type,
            api_key=api_key,
            base_url=base_url,
            default_model=default_model,
            worker_id=worker_id,
            rate_limit_per_minute=rate_limit_per_minute,
            cost_per_1k_tokens=cost_per_1k_tokens,
            quota=quota,
        )
        return (await self.register_provider(provider)).worker_id

    async def register_remote_worker(
        self, remote_url: str, worker_id: str | None = None, auth_token: str | None = None
    ) -> str:
        """Add a remote compute node and return its worker's id; its status says whether it can be reached."""
        worker = RemoteWorker(remote_url, worker_id=worker_id, auth_token=auth_token)
        await self.worker_registry.register(worker)
        return worker.worker_id

    def _spent_by_credential(self, credentials: Collection[str]) -> Mapping[str, Total]:
        scopes = {credential_scope(name): name for name in credentials}
        try:
            totals = self.spent_today(scopes)
        except JournalUnavailable as error:  # a status that can be had is better than none
            logger.debug("what was used today cannot be read: %s", error)
            return {}
        return {scopes[scope]: total for scope, total in totals.items()}

    async def _result_of(self, task: Task) -> TaskResult:
        result = await self.submit_task(task, wait=True)
        assert isinstance(result, TaskResult)
        return result

    def get_status(self) -> dict[str, Any]:
        """Return the wire form of how the orchestrator stands, with its resources."""
        return {**super().get_status(), "resources": self.resource_manager.get_resource_stats()}
