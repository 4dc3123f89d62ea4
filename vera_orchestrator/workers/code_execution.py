"""Runs Python and bash programs in the sandbox."""

from __future__ import annotations

import math
import os
from typing import Literal

from pydantic import Field, ValidationError

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, InvalidValue, NotAllowed
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.payloads import CodePayload
from vera_orchestrator.sandbox import Ending, Sandbox, SandboxOutcome, SandboxProgram
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker

ERROR_CHARACTERS = 2_000
SOURCE_NAMES = {"python": "main.py", "bash": "main.sh"}


class CodeRequest(CodePayload):
    """A program, its input, files to find in its working folder, and what it may use; `timeout` is in seconds."""

    stdin: str = ""
    timeout: float | None = Field(default=None, gt=0)
    network: bool = False
    files: dict[str, str] = Field(default_factory=dict)


class CodeExecutionWorker(BaseWorker):
    """Runs `code_execution` tasks.

    The result's data is what the program wrote to stdout; its metrics hold `exit_code`, `stderr`, `truncated_bytes`,
    `ending` and `out_of_memory`. A program that exits with another code than 0 has failed for good: it would again.
    """

    def __init__(
        self,
        settings: OrchestratorConfig,
        worker_id: str = "code-execution",
        config: WorkerConfig | None = None,
        *,
        sandbox: Sandbox | None = None,
    ) -> None:
        slots = max(2, os.cpu_count() or 1)
        super().__init__(
            worker_id,
            [WorkerCapability.CODE_EXECUTION, WorkerCapability.PYTHON, WorkerCapability.BASH],
            config or WorkerConfig(max_concurrent_tasks=slots, timeout_seconds=settings.task_timeout_seconds),
        )
        self._settings = settings
        self._sandbox = sandbox or Sandbox.from_settings(settings)

    async def start(self) -> bool:
        """Try the sandbox; without one the status is ERROR and its reason says what to install."""
        self.status = WorkerStatus.STARTING
        return await self.health_check()

    async def stop(self) -> bool:
        """Take no more tasks; running programs belong to their tasks."""
        self.status = WorkerStatus.OFFLINE
        return True

    async def health_check(self) -> bool:
        """Return whether programs can be run; a sandbox that was missing is looked for again."""
        missing = await self._sandbox.probe()
        if missing:
            self.status, self.status_reason = WorkerStatus.ERROR, str(missing)
            return False
        if self.status in (WorkerStatus.STARTING, WorkerStatus.ERROR):
            self.status, self.status_reason = WorkerStatus.IDLE, None
        return True

    def accepts(self, task: Task) -> bool:
        """Return whether the memory it asks for is within the sandbox's."""
        return (task.requirements.memory_mb or 0) <= self._settings.sandbox_memory_mb

    async def execute_task(self, task: Task) -> TaskResult:
        """Run the program to its end.

        Raises InvalidPayload, NotAllowed for the network, NotConfigured without a sandbox, and TaskFailed, which is
        retried, where the sandbox did not start.
        """
        request = _request(task.payload)
        if request.network and not self._settings.sandbox_network:
            raise NotAllowed(
                "Programs may not use the network.",
                field="payload.network",
                remedy="The operator allows it with sandbox_network (VERA_SANDBOX_NETWORK=true).",
            )
        missing = await self._sandbox.probe()
        if missing:
            raise missing
        outcome = await self._sandbox.run(self._program(request, task))
        return _result(outcome, request, self.worker_id)

    def _program(self, request: CodeRequest, task: Task) -> SandboxProgram:
        settings, source = self._settings, SOURCE_NAMES[request.language]
        if source in request.files:
            raise InvalidPayload(
                f"{source!r} is the program itself.", field="payload.files", remedy="Choose another name."
            )
        seconds = request.timeout or task.timeout_seconds or settings.task_timeout_seconds
        try:
            return SandboxProgram(
                argv=self._command(request.language, source),
                stdin=request.stdin,
                files={**request.files, source: request.code},
                network=request.network,
                memory_mb=settings.sandbox_memory_mb,
                processes=settings.sandbox_processes,
                cpu_seconds=math.ceil(seconds) * (os.cpu_count() or 1),
                output_bytes=settings.sandbox_output_bytes,
                timeout=request.timeout,
            )
        except InvalidValue as error:
            raise InvalidPayload(error.message, field=f"payload.{error.field}", remedy=error.remedy) from None

    def _command(self, language: Literal["python", "bash"], source: str) -> tuple[str, ...]:
        match language:
            case "python":
                return (str(self._sandbox.python), "-s", "-B", "-u", source)
            case "bash":
                return ("/bin/bash", source)


def _request(payload: dict[str, object]) -> CodeRequest:
    try:
        return CodeRequest.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["payload", *(str(part) for part in first["loc"])])
        raise InvalidPayload(f"{first['msg']}.", field=field) from None


def _result(outcome: SandboxOutcome, request: CodeRequest, worker_id: str) -> TaskResult:
    success = outcome.ending is Ending.EXITED and outcome.exit_code == 0
    return TaskResult(
        success=success,
        data=outcome.stdout,
        error=None if success else _error(outcome, request),
        error_type=None if success else "TaskTimeout" if outcome.timed_out else "TaskFailed",
        metrics={
            "exit_code": outcome.exit_code,
            "stderr": outcome.stderr,
            "truncated_bytes": outcome.dropped,
            "ending": str(outcome.ending),
            "out_of_memory": outcome.out_of_memory,
        },
        execution_time_ms=outcome.duration * 1000,
        worker_id=worker_id,
        retryable=None if success else outcome.timed_out,
    )


def _error(outcome: SandboxOutcome, request: CodeRequest) -> str:
    match outcome.ending:
        case Ending.TIMED_OUT:
            return f"The program took longer than {request.timeout:g} s."
        case Ending.OUT_OF_MEMORY:
            return "The program used more memory than it may."
        case Ending.FLOODED:
            return "The program wrote far more output than is kept, and was ended."
        case Ending.EXITED | Ending.STOPPED:
            return outcome.stderr.strip()[-ERROR_CHARACTERS:] or f"exit code {outcome.exit_code}"
