"""One Prefect task per task type: the record of the tasks that an orchestrator runs."""

from collections.abc import Mapping
from typing import Any

from prefect import Task

from tasks.api_request import api_request
from tasks.background_cognition import background_cognition
from tasks.code_execution import code_execution
from tasks.custom import custom
from tasks.docker_task import docker_task
from tasks.llm_request import llm_request
from tasks.ollama_request import ollama_request
from tasks.parallel_batch import parallel_batch
from tasks.remote_compute import remote_compute
from tasks.tool_call import tool_call
from vera_orchestrator.enums import TaskType

TASKS: Mapping[str, Task[..., Any]] = {
    TaskType.TOOL_CALL: tool_call,
    TaskType.LLM_REQUEST: llm_request,
    TaskType.OLLAMA_REQUEST: ollama_request,
    TaskType.CODE_EXECUTION: code_execution,
    TaskType.BACKGROUND_COGNITION: background_cognition,
    TaskType.API_REQUEST: api_request,
    TaskType.DOCKER_TASK: docker_task,
    TaskType.REMOTE_COMPUTE: remote_compute,
    TaskType.PARALLEL_BATCH: parallel_batch,
    TaskType.CUSTOM: custom,
}

__all__ = [
    "TASKS",
    "api_request",
    "background_cognition",
    "code_execution",
    "custom",
    "docker_task",
    "llm_request",
    "ollama_request",
    "parallel_batch",
    "remote_compute",
    "tool_call",
]
