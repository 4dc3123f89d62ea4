"""The errors with which a task ends that did not run, in words that say what to do."""

from __future__ import annotations

from vera_orchestrator.errors import DependencyFailed, NoWorker, TaskExpired
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.capacity import describe
from vera_orchestrator.runtime.entry import Entry

HINTS = {
    "llm_inference": "Register an LLM API with register_llm_api, or start Ollama and set ollama_url (VERA_OLLAMA_URL).",
    "ollama": "Start Ollama and set ollama_url (VERA_OLLAMA_URL).",
    "background_cognition": "Register a worker with the capability background_cognition.",
    "docker": "Start Docker and register a Docker worker.",
    "remote_compute": "Register a node with register_remote_worker.",
}


def dependency_failed(task: Task) -> DependencyFailed:
    """Return the error for what depends on a task that did not succeed; down a chain it names the first cause."""
    if task.result is not None and task.result.error_type == DependencyFailed.__name__ and task.status_reason:
        return DependencyFailed(task.status_reason)
    return DependencyFailed(f"its dependency {task.id} {task.status}: {task.status_reason}")


def expired() -> TaskExpired:
    """Return the error for a task that has waited for as long as it may."""
    return TaskExpired(
        "the task waited longer than it may.", remedy="Raise max_wait_seconds or expires_at, or add workers."
    )


def no_worker_error(entry: Entry) -> NoWorker:
    """Return the error that says what is missing and how to get it."""
    hints = [HINTS[name] for name in sorted(entry.group.capabilities) if name in HINTS]
    remedy = hints[0] if hints else "Register a worker that has it with worker_registry.register."
    if entry.group.model is not None:
        remedy = f"Check the model's name. {remedy}"
    return NoWorker(f"no worker can run this {entry.task.type}: {describe(entry.group)}.", remedy=remedy)
