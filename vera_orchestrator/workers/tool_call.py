"""The worker that runs tools."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import TaskFailed, ToolFailed, VeraError
from vera_orchestrator.http.client import guarded_client
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.payloads import ToolCallPayload
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.registry import ToolRegistry
from vera_orchestrator.workers.api_request import ApiRequestWorker
from vera_orchestrator.workers.base import BaseWorker

CAPABILITIES = (
    WorkerCapability.TOOL_EXECUTION,
    WorkerCapability.FILE_OPERATIONS,
    WorkerCapability.WEB_BROWSING,
)
DEFAULT_CONCURRENCY = 16


class ToolCallWorker(BaseWorker):
    """Runs the tools of a registry; a tool that is registered later can be called at once.

    Errors of the project's tree pass through. A ToolFailed, or any other exception, becomes an unsuccessful result that
    names its type.
    """

    def __init__(
        self,
        settings: OrchestratorConfig,
        registry: ToolRegistry,
        sandbox: Sandbox | None = None,
        worker_id: str = "tools",
        config: WorkerConfig | None = None,
    ) -> None:
        super().__init__(worker_id, CAPABILITIES, config or WorkerConfig(max_concurrent_tasks=DEFAULT_CONCURRENCY))
        self.registry = registry
        self._settings = settings
        self._sandbox = sandbox or Sandbox.from_settings(settings)
        self._requests = ApiRequestWorker(settings, config=self.config)
        self._hooks: set[asyncio.Future[Any]] = set()

    async def start(self) -> bool:
        """Make ready; without a sandbox the tools that need none still run."""
        await self._requests.start()
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        """Take no more tasks, and close the connections."""
        self.status = WorkerStatus.OFFLINE
        return await self._requests.stop()

    async def health_check(self) -> bool:
        """Return whether it is started."""
        return self.is_usable

    async def execute_task(self, task: Task) -> TaskResult:
        """Call the tool; its return value is the result's data. See the class for errors."""
        payload = ToolCallPayload.model_validate(task.payload)
        started = time.perf_counter()
        context = ToolContext(
            settings=self._settings,
            sandbox=self._sandbox,
            send=self._send,
            http_client=partial(guarded_client, self._settings),
            report=self._reporter(task),
        )
        try:
            data = await self.registry.call(payload.tool_name, payload.tool_input, context)
        except ToolFailed as error:
            result = _unsuccessful(error, str(error), retryable=error.retryable, data=error.data)
        except VeraError:
            raise
        except Exception as error:  # the tool is somebody else's code, and its error is the task's outcome
            result = _unsuccessful(error, f"{type(error).__name__}: {error}", retryable=TaskFailed.retryable)
        else:
            result = TaskResult(success=True, data=data)
        result.worker_id = self.worker_id
        result.metrics["tool"] = payload.tool_name
        result.execution_time_ms = (time.perf_counter() - started) * 1000
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form, with the names of the tools."""
        return {**super().to_dict(), "tools": self.registry.names()}

    async def _send(self, payload: dict[str, Any]) -> TaskResult:
        return await self._requests.execute_task(Task(type=TaskType.API_REQUEST, payload=payload))

    def _reporter(self, task: Task) -> Callable[[float], None]:
        """Return what a tool calls to tell its progress, from whatever thread it runs in."""
        loop = asyncio.get_running_loop()

        def report(fraction: float) -> None:
            if task.on_progress is not None:
                loop.call_soon_threadsafe(self._tell, task.on_progress, min(1.0, max(0.0, fraction)))

        return report

    def _tell(self, hook: Callable[[float], Any], fraction: float) -> None:
        told = hook(fraction)
        if inspect.isawaitable(told):
            future = asyncio.ensure_future(told)
            self._hooks.add(future)  # the loop alone would not keep it alive
            future.add_done_callback(self._hooks.discard)


def _unsuccessful(error: Exception, text: str, *, retryable: bool, data: Any = None) -> TaskResult:
    return TaskResult(success=False, data=data, error=text, error_type=type(error).__name__, retryable=retryable)
